# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`send`: events from options, files and pipes onto the queue."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from forwarder.cli.filters import Destination, Json
from forwarder.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        rich_help_panel="Produce",
        epilog="Examples:\n\nforwarder send --trace-id t-17 --value 1 --text 'spot on'\n\n"
        "forwarder send events.jsonl --source nightly-export\n\n"
        "tail -f app.jsonl | forwarder send -",
    )(send)


def send(
    file: Annotated[
        str | None, typer.Argument(help="JSON lines, one JSON array, or CSV with a header; - is standard input.")
    ] = None,
    *,
    trace_id: Annotated[str | None, typer.Option(help="One event: the generation or conversation it is on.")] = None,
    value: Annotated[int | None, typer.Option(help="One event: from -10 to 10.")] = None,
    weight: Annotated[float | None, typer.Option(help="One event: from 0 to 1; the API takes 1 if left out.")] = None,
    text: Annotated[str | None, typer.Option(help="One event: a comment.")] = None,
    metadata: Annotated[str | None, typer.Option(help="One event: a JSON object.", metavar="JSON")] = None,
    source: Annotated[str, typer.Option(help="The producing service, kept with the events.")] = "",
    destination: Destination = "default",
    input_format: Annotated[
        Literal["auto", "jsonl", "json", "csv"],
        typer.Option("--format", help="auto: told by the name and the first bytes."),
    ] = "auto",
    skip: Annotated[int, typer.Option(help="Leave out so many lines (events, rows): goes on after a stop.", min=0)] = 0,
    refused: Annotated[
        Path | None, typer.Option(help="Where refused lines are written (default: ./refused-TIME.jsonl).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Append events to the queue: one by options, or any number from a file or a pipe.

    Returns when the queue has them. Events that break the model are named and written to a file; the good ones go on.
    CSV columns are trace_id, value, weight, text and metadata (as JSON); empty cells are left out.
    """
    from forwarder.cli import sending

    fields = {"trace_id": trace_id, "value": value, "weight": weight, "text": text, "metadata": metadata}
    event = {name: given for name, given in fields.items() if given is not None}
    if (file is None) == (not event):
        raise UsageError("give either FILE (- for standard input) or one event by --trace-id and --value")
    chosen = None if input_format == "auto" else input_format
    order = sending.Order(file or "", destination, source, chosen, skip, refused)
    if file is None:
        sending.send_event(event, order, as_json=as_json)
    else:
        sending.send_file(order, as_json=as_json)

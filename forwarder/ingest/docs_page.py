"""The page at /docs: the OpenAPI description for people, one file, no scripts, nothing from elsewhere (pure)."""

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

_HEAD: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}}
code,pre{{font-family:ui-monospace,monospace;font-size:.92em}}pre{{background:#f4f4f4;padding:.8rem;overflow:auto}}
table{{border-collapse:collapse}}td{{border-top:1px solid #ddd;padding:.3rem .8rem .3rem 0;vertical-align:top}}
h2{{margin-top:2rem;font-size:1.1rem}}
@media(prefers-color-scheme:dark){{body{{background:#161616;color:#eee}}pre{{background:#262626}}a{{color:#8bf}}}}</style>
<h1>{title}</h1>
<p>{about}</p>
<p><a href="/openapi.json">openapi.json</a></p>
<pre>curl -X POST ADDRESS/v1/feedback/ -H 'content-type: application/json' -H 'x-portkey-api-key: KEY' \\
     -d '{{"trace_id": "t1", "value": 1, "text": "good"}}'</pre>
"""


def docs_page(description: Mapping[str, Any]) -> bytes:
    """The page.

    Args:
        description: as `openapi` makes it.
    """
    info = description["info"]
    head = _HEAD.format(title=html.escape(info["title"]), about=_marked(info["description"]))
    operations = "\n".join(_operations(description["paths"]))
    fields = "\n".join(_fields(description["components"]["schemas"]["Feedback"]))
    return f"{head}{operations}\n<h2>The fields of a feedback object</h2>\n<table>{fields}</table>\n</html>\n".encode()


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{_marked(operation['summary'])}.</p>"
            answers = operation["responses"].items()
            rows = "".join(_row(status, _marked(answer["description"])) for status, answer in answers)
            yield f"<table>{rows}</table>"


def _fields(feedback: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in feedback["properties"].items():
        rules = {rule: value for rule, value in schema.items() if rule not in ("type", "description")}
        kinds = " or ".join([schema["type"]] if isinstance(schema["type"], str) else schema["type"])
        wanted = "required" if name in feedback["required"] else "optional"
        bounds = html.escape(json.dumps(rules)) if rules else ""
        yield _row(name, f"{wanted}, {kinds} {bounds} {_marked(schema.get('description', ''))}")


def _row(name: str, about: str) -> str:
    return f"<tr><td><code>{html.escape(name)}</code></td><td>{about}</td></tr>"


def _marked(text: str) -> str:
    """Escaped, with what stands between backticks as code; the dot at the end is the page's."""
    parts = html.escape(text.removesuffix(".")).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))

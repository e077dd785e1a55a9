"""`forwarder --url`: the commands over HTTP, on the real server, say and do the same."""

import json
import subprocess
import sys

from tests.support.console import LOOKS, TOKEN
from tests.support.console_api import end_worker
from tests.support.ingest import Ingest
from tests.support.letters import bury
from tests.support.rig import Rig

SEVERAL = """
import json, sys
from typer.testing import CliRunner
from forwarder.cli.app import app

for words in json.load(sys.stdin):
    done = CliRunner().invoke(app, words)
    print(json.dumps([done.exit_code, done.stdout, done.stderr]))
"""
LOOKING = [
    "status",
    "status --json",
    "audit --deep",
    "audit --json",
    "dead-letters list",
    "dead-letters list --json --limit 2",
    "dead-letters list --limit 2",
    "dead-letters stats --status 4xx --status 5xx",
    "dead-letters stats --json",
    "dead-letters groups",
    "dead-letters groups --json --limit 1",
    "dead-letters export -",
    "dead-letters show 1-0",
    "replay --set value=5 --dry-run",
    "replay --set value=5000 --dry-run",
    "replay --to nowhere --dry-run",
    "replay status",
    "replay status 0123456789ab",
    "trail",
]


def ran(rig: Rig, token: str, *commands: list[str]) -> list[tuple[int, str, str]]:
    """Exit status, output and errors of each command; all in one process, because starting one takes a while."""
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL],
        env=rig.environment | ({"FORWARDER_TOKEN": token} if token else {}),
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
        cwd=rig.folder,
        timeout=400,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_over_http_the_commands_say_the_same(rig: Rig, ingest: Ingest) -> None:
    rig.redis.flushall()
    bury(rig.redis, 3)
    direct = ran(rig, "", *(words.split() for words in LOOKING))
    over_http = ran(rig, LOOKS, *(["--url", str(ingest.http.base_url), *words.split()] for words in LOOKING))
    for words, one, other in zip(LOOKING, direct, over_http, strict=True):
        assert one == other, words


def test_over_http_an_operator_changes_things(rig: Rig, ingest: Ingest) -> None:
    rig.redis.flushall()
    bury(rig.redis, 6)
    rig.start_worker()
    file = str(rig.folder / "dead.jsonl.gz")
    commands = [
        ["dead-letters", "export", file, "--force"],
        ["dead-letters", "purge", "--all", "--yes"],
        ["dead-letters", "import", file, "--again"],
        ["pause", "default", "--json"],
        ["resume", "default"],
        ["replay", "--set", "value=5", "--wait"],
    ]
    done = ran(rig, TOKEN, *(["--url", f"{ingest.http.base_url}/v1", *words] for words in commands))
    exported, purged, imported, paused, resumed, replayed = done
    assert exported[2] == f"exported 6 dead letters to {file}\n"
    assert purged[1] == "6 of 6 dead letters purged\n"
    assert imported[1] == "6 dead letters imported\n"
    assert json.loads(paused[1])["paused"]["reason"] == "by hand"
    assert resumed[1] == "default is resumed\n"
    assert replayed == (0, "6 of 6 dead letters moved (6 delivered so far)\n", "")
    end_worker(rig)
    rig.assert_books_close()


def test_over_http_what_is_wrong_is_one_clear_line(rig: Rig, ingest: Ingest) -> None:
    url = str(ingest.http.base_url)
    asked = [
        (["--url", url, "pause", "default"], "this needs an operator"),
        (["--url", "http://127.0.0.1:9", "status"], "cannot be reached"),
        (["--url", "nonsense", "status"], "is not the URL of a forwarder"),
        (["--url", rig.sandbox.url, "status"], "is a forwarder's console there?"),
        (["--url", url, "send", "--trace-id", "t", "--value", "1"], "does not work with --url"),
    ]
    done = ran(rig, LOOKS, *(words for words, _ in asked))
    for (words, said_so), (status, _, errors) in zip(asked, done, strict=True):
        assert status in (1, 2), words
        assert said_so in errors, words
        assert len(errors.splitlines()) == 1, errors
    for token, said_so in (("", "FORWARDER_TOKEN is not set"), ("wrong", "FORWARDER_TOKEN is not right")):
        ((status, _, errors),) = ran(rig, token, ["--url", url, "status"])
        assert (status, said_so in errors) == (1, True), errors

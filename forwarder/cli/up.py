"""Everything at once on one machine: the story of `forwarder up`."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from rich.console import Console
from rich.live import Live
from rich.text import Text

from forwarder.cli.reach import Direct
from forwarder.cli.status_view import REFRESH_S, in_one_line, look
from forwarder.console.mount import is_offered
from forwarder.data_lock import DataLock
from forwarder.embedded import EmbeddedServer
from forwarder.errors import ForwarderError
from forwarder.ingest.serve import ingest_child, listen_for_ingest
from forwarder.listening import base_url, console_url, is_loopback
from forwarder.operations.operator import Operator
from forwarder.paths import DataDir
from forwarder.queue.connection import Client, connect, shown
from forwarder.queue.unavailable import queue_errors
from forwarder.sandbox.reached import DEFAULT_KEY, leading_to_sandbox
from forwarder.settings import PREFIX, Settings
from forwarder.signals import HURRY, Asked
from forwarder.supervisor import LOOK_S, PYTHON, STOP_MARGIN_S, Child, Supervisor, worker_command


class Up:
    """Starts the parts, shows how they do, stops them in order: ingest, workers, sandbox, queue."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = DataDir(settings.data_dir)
        self._server = EmbeddedServer(self._data)
        self._asked = Asked()
        self._ingest = Supervisor()
        self._workers = Supervisor()
        self._others = Supervisor()
        self._console = Console(highlight=False)

    def run(self) -> None:
        """Run until SIGINT or SIGTERM.

        Raises:
            ForwarderError: a part cannot be started.
        """
        self._asked.listen()
        with ExitStack() as parts:
            lock = DataLock(self._data)
            parts.callback(lock.release)
            queue = parts.enter_context(self._queue())
            upstream, env = self._settings.url, {}
            if not self._settings.has_key:
                upstream = parts.enter_context(self._sandbox())
                env = {PREFIX + name.upper(): value for name, value in leading_to_sandbox(upstream).items()}
                lock.tell(sandbox=upstream)
            grace_s = self._settings.shutdown_grace_s + STOP_MARGIN_S
            parts.callback(self._workers.stop, grace_s, hurried=lambda: self._asked.count == HURRY)
            self._start_workers(env)
            self._greet(queue, upstream, parts.enter_context(self._ingesting(env)))
            self._watch()
            self._console.print("stopping: what is in flight gets its outcome, the rest stays queued")
        self._console.print("stopped")

    @contextmanager
    def _queue(self) -> Iterator[str]:
        """The queue, running; yields how to call it."""
        if self._settings.redis_url != "embedded":
            with queue_errors(self._settings), connect(self._settings) as client:
                client.ping()
            yield shown(self._settings)
            return
        self._server.start()
        try:
            yield f"embedded Valkey at {self._data.socket}, append-only file beside it"
        finally:
            self._server.stop()

    @contextmanager
    def _sandbox(self) -> Iterator[str]:
        """The sandbox, running; yields its base URL."""
        command = [*PYTHON, "forwarder.sandbox", "--announce", "--stop-with-parent", str(os.getpid())]
        child = self._others.start(Child("sandbox", command, self._quiet(), announces=True))
        try:
            announcement = child.read_announcement()
            if not announcement:
                raise ForwarderError("the sandbox did not start; see the line above")
            url = str(json.loads(announcement)["url"])
            child.env = {
                **child.env,
                "FORWARDER_SANDBOX_PORT": str(urlsplit(url).port),
            }  # also when it is started again
            yield url
        finally:
            self._others.stop(STOP_MARGIN_S)

    @contextmanager
    def _ingesting(self, env: dict[str, str]) -> Iterator[str]:
        """The HTTP ingest and the console, running; yields the ingest's base URL."""
        with listen_for_ingest(self._settings) as listener:
            for number in range(1, self._settings.ingest_workers + 1):
                self._ingest.start(ingest_child(listener, number, {**self._quiet(), **env}))
            try:
                yield base_url(self._settings.ingest_host, listener.getsockname()[1])
            finally:
                self._ingest.stop(self._settings.shutdown_grace_s + STOP_MARGIN_S)

    def _start_workers(self, env: dict[str, str]) -> None:
        for number in range(1, self._settings.workers + 1):
            self._workers.start(Child(f"worker {number}", worker_command(), {**self._quiet(), **env}))

    def _quiet(self) -> dict[str, str]:
        """The parts log to this terminal: only what needs a look, unless the user asked for more."""
        return {} if "log_level" in self._settings.model_fields_set else {"FORWARDER_LOG_LEVEL": "warning"}

    def _greet(self, queue: str, upstream: str, ingest: str) -> None:
        forwarder = sys.argv[0] if sys.argv[0].endswith("forwarder") else "forwarder"
        count = self._settings.workers
        real = self._settings.has_key
        known = "the real API: FORWARDER_API_KEY is set" if real else "set FORWARDER_API_KEY to forward to the real API"
        key = " -H 'x-portkey-api-key: KEY'" if self._settings.ingest_keys else ""
        json_body = """-H 'content-type: application/json' -d '{"trace_id": "t1", "value": 1, "text": "good"}'"""
        lines = [
            f"\n  queue     {queue}",
            f"  workers   {count} RQ worker{'s' if count > 1 else ''} on the queue `feedback`",
            f"  ingest    {ingest}   (documented at {ingest.removesuffix('/v1')}/docs)",
            *self._console_line(ingest),
            f"  upstream  {upstream if real else f'sandbox at {upstream}'}   ({known})",
            "\n  try, in another terminal:",
            f"    curl {ingest}/feedback/{key} {json_body}",
            f'    {forwarder} send --trace-id t1 --value 1 --text "good"',
            f'''    {sys.executable} -c "from forwarder import FeedbackClient; FeedbackClient().thumbs_up('t1')"''',
        ]
        if not real:
            summary = f"{upstream}/feedback/summary?group_by=trace_id"
            lines.append(f"    curl -H 'x-portkey-api-key: {DEFAULT_KEY}' '{summary}'")
        lines.append(
            f"    {forwarder} status\n\n  Ctrl-C stops everything; what is queued is kept for the next time.\n"
        )
        for line in lines:
            self._console.print(line, soft_wrap=True, markup=False)

    def _console_line(self, ingest: str) -> list[str]:
        if not is_offered(self._settings):
            return []
        login = "log in with a name and password, or a token"
        if self._settings.console_is_open:
            alone = is_loopback(self._settings.ingest_host)
            login = "nobody has to log in on this machine" if alone else "closed: FORWARDER_CONSOLE_USERS is not set"
        return [f"  console   {console_url(ingest)}   ({login})"]

    def _watch(self) -> None:
        """Keep the workers running and the status line fresh until asked to stop."""
        with connect(self._settings) as client, Live(console=self._console, auto_refresh=False, transient=True) as live:
            before = ""
            while self._goes_on_for(REFRESH_S):
                if self._server.keep_running():
                    self._console.print("the embedded queue had died and was started again")
                self._ingest.watch()
                self._workers.watch()
                self._others.watch()
                line = self._status_line(client)
                if line != before and self._console.is_terminal:
                    live.update(Text(line, style="bold"), refresh=True)
                elif line != before:
                    self._console.print(line, soft_wrap=True)
                before = line

    def _goes_on_for(self, seconds: float) -> bool:
        """Wait so long; False when asked to stop meanwhile."""
        until = time.monotonic() + seconds
        while not self._asked.count and time.monotonic() < until:
            time.sleep(LOOK_S)
        return not self._asked.count

    def _status_line(self, client: Client) -> str:
        try:
            with queue_errors(self._settings):
                now = look(Direct(Operator(self._settings, client)))
        except ForwarderError as error:
            return str(error)
        return "  |  ".join(in_one_line(name, status) for name, status in now.statuses.items())

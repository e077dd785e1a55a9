"""An upstream that costs next to nothing: reads bodies, answers success. One process, one loop.

`python -m tests.benchmarks.sink LATENCY_S [count]` says its port. With `count` it counts events, by MARK, which each
has once; `GET /arrived/N` is answered when N have arrived.
"""

import asyncio
import json
import sys
import time
from typing import Final, cast

import uvloop

MARK: Final = b"trace-"
"""Begins each trace id of the benchmarks, and is nowhere else in a body."""
HEAD: Final = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}"


def answer(body: str) -> bytes:
    """A whole answer."""
    return HEAD.format(len(body), body).encode()


SUCCESS: Final = answer('{"status":"success"}')


class Arrivals:
    """What has come: events, requests, the first one's events, and when the first and the last came (monotonic s)."""

    def __init__(self) -> None:
        self.events = self.requests = self.first_events = 0
        self.first_s = self.last_s = 0.0
        self._waiting: list[tuple[int, asyncio.Transport]] = []

    def add(self, body: bytes) -> None:
        """A body came."""
        self.last_s, events = time.monotonic(), body.count(MARK)
        if not self.requests:
            self.first_s, self.first_events = self.last_s, events
        self.events += events
        self.requests += 1
        for one in [one for one in self._waiting if one[0] <= self.events]:
            self._waiting.remove(one)
            self._tell(one[1])

    def ask(self, events: int, transport: asyncio.Transport) -> None:
        """Somebody wants to know when so many have come."""
        if self.events >= events:
            self._tell(transport)
        else:
            self._waiting.append((events, transport))

    def _tell(self, transport: asyncio.Transport) -> None:
        transport.write(answer(json.dumps({name: value for name, value in vars(self).items() if name[0] != "_"})))


class Sink(asyncio.Protocol):
    """Just enough HTTP/1.1 for one client: header, content-length, body."""

    def __init__(self, latency_s: float, arrivals: Arrivals | None) -> None:
        self._latency_s = latency_s
        self._arrivals = arrivals
        self._header = b""
        self._parts: list[bytes] = []
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        if not self._missing:
            self._header += data
            header, end, data = self._header.partition(b"\r\n\r\n")
            if not end:
                return
            self._header = b""
            if header.startswith(b"GET") and self._arrivals:
                self._arrivals.ask(int(header.split()[1].rpartition(b"/")[2]), self._transport)
                return
            length = header.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._missing = int(length)
        self._missing -= len(data)
        if self._arrivals:
            self._parts.append(data)
        if not self._missing:
            self._whole()

    def _whole(self) -> None:
        if self._arrivals:
            self._arrivals.add(b"".join(self._parts))
            self._parts.clear()
        asyncio.get_running_loop().call_later(self._latency_s, self._transport.write, SUCCESS)


async def main(latency_s: float, arrivals: Arrivals | None) -> None:
    """Listen on a free port and say which."""
    server = await asyncio.get_running_loop().create_server(lambda: Sink(latency_s, arrivals), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]), Arrivals() if "count" in sys.argv else None))

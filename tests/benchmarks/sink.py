"""An upstream that costs next to nothing: reads bodies, counts requests, answers success. One process, one loop."""

import asyncio
import sys
from typing import Final, cast

import uvloop

ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n" + b'{"status":"success"}'
)


class Sink(asyncio.Protocol):
    """Just enough HTTP/1.1 for one client of ours: header, content-length, body."""

    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s
        self._header = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        if not self._missing:
            self._header += data
            header, end, body = self._header.partition(b"\r\n\r\n")
            if not end:
                return
            self._header = b""
            length = header.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            self._missing = int(length) - len(body)
        else:
            self._missing -= len(data)
        if self._missing == 0:
            asyncio.get_running_loop().call_later(self._latency_s, self._transport.write, ANSWER)


async def main(latency_s: float) -> None:
    """Listen on a free port and say which."""
    server = await asyncio.get_running_loop().create_server(lambda: Sink(latency_s), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1])))

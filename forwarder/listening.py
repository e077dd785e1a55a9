"""Listening sockets for our servers: taken before anything else is touched, with one clear line when they cannot be."""

import errno
import ipaddress
import socket
from typing import Final

from forwarder.errors import ForwarderError

ANYWHERE_6: Final = "::"
WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", ANYWHERE_6: "::1"}  # noqa: S104 - what a client calls
BACKLOG: Final = 4_096
"""Connections that may wait to be accepted; the kernel bounds it further (net.core.somaxconn)."""


def listen(host: str, port: int, *, who: str, variables: str) -> socket.socket:
    """A listening socket.

    Args:
        host: a name or an address of this machine; `::` also takes who comes by IPv4.
        port: 0 takes a free one.
        who: wants to listen, as `the sandbox`.
        variables: what the settings of host and port begin with, as `FORWARDER_SANDBOX`.

    Raises:
        ForwarderError: the port cannot be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = host == ANYWHERE_6 and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            hint = f"another program listens there; set {variables}_PORT to a free port, or to 0 for any"
            raise ForwarderError(f"port {port} of {host} is in use: {hint}") from None
        reason = getattr(error, "strerror", None) or error
        hint = f"see {variables}_HOST and {variables}_PORT"
        raise ForwarderError(f"{who} cannot listen on port {port} of {host}: {reason} ({hint})") from None


def base_url(host: str, port: int) -> str:
    """The API's base URL as a client on this machine calls it."""
    host = WILDCARDS.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def console_url(base: str) -> str:
    """The console's URL beside an API's base URL."""
    return f"{base.removesuffix('/v1')}/console/"


def is_loopback(host: str) -> bool:
    """Whether only this machine is meant: nobody else reaches what listens there, and what is sent there stays."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

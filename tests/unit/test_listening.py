"""Listening sockets."""

import socket

import pytest

from forwarder.errors import ForwarderError
from forwarder.listening import base_url, listen


def taken(host: str) -> socket.socket:
    return listen(host, 0, who="a test", variables="FORWARDER_TEST")


def test_anywhere_means_both_kinds_of_addresses() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with taken("::") as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=20).close()


def test_a_port_that_is_taken_is_told_with_the_variable_that_mends_it() -> None:
    with taken("127.0.0.1") as listener, pytest.raises(ForwarderError, match="set FORWARDER_TEST_PORT to a free port"):
        listen("127.0.0.1", listener.getsockname()[1], who="a test", variables="FORWARDER_TEST")


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1", "\udc80"])
def test_a_host_that_is_not_ours_is_told_with_its_variable(host: str) -> None:
    with pytest.raises(ForwarderError, match="see FORWARDER_TEST_HOST"):
        taken(host)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:1/v1"),  # noqa: S104 - not listened on
        ("::", "http://[::1]:1/v1"),
        ("::1", "http://[::1]:1/v1"),
        ("example.com", "http://example.com:1/v1"),
    ],
)
def test_a_url_is_one_that_can_be_called(host: str, url: str) -> None:
    assert base_url(host, 1) == url

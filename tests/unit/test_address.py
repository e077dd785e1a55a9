import pytest

from forwarder.errors import InvalidSettings
from forwarder.queue.address import SentinelAddress, sentinel_address
from forwarder.settings import load_settings


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis+sentinel://a/main", SentinelAddress((("a", 26_379),), "main")),
        (
            "redis+sentinel://user:p%40ss@a:1,[::1]:2,b/main/3",
            SentinelAddress((("a", 1), ("::1", 2), ("b", 26_379)), "main", 3, "user", "p@ss"),
        ),
        ("redis+sentinel://:secret@a/main", SentinelAddress((("a", 26_379),), "main", 0, None, "secret")),
        (
            "rediss+sentinel://a/main?sentinel_username=s&sentinel_password=t",
            SentinelAddress((("a", 26_379),), "main", 0, None, None, "s", "t", tls=True),
        ),
    ],
)
def test_a_sentinel_url_names_them_the_service_and_both_logins(url: str, address: SentinelAddress) -> None:
    assert sentinel_address(url) == address


def test_certificates_without_tls_are_a_mistake() -> None:
    with pytest.raises(InvalidSettings, match=r"FORWARDER_REDIS_TLS_CA_FILE is set, but FORWARDER_REDIS_URL"):
        load_settings(redis_url="redis://h", redis_tls_ca_file=__file__)


def test_a_key_without_its_certificate_is_a_mistake() -> None:
    with pytest.raises(InvalidSettings, match=r"FORWARDER_REDIS_TLS_KEY_FILE needs FORWARDER_REDIS_TLS_CERT_FILE"):
        load_settings(redis_url="rediss://h", redis_tls_key_file=__file__)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidSettings, match=r"FORWARDER_REDIS_TLS_CA_FILE"):
        load_settings(redis_url="rediss://h", redis_tls_ca_file="/nowhere.pem")

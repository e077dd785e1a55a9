"""The URL of a server, taken apart: the scheme's meaning, Sentinels, what may be shown of it (pure).

| URL | leads to |
|---|---|
| `redis://user:password@host:6379/0` | one server; `rediss://` by TLS; `unix:///path/to/socket` |
| `redis+sentinel://user:password@host,other:26379/service/0` | the primary that these Sentinels name |
| `redis+cluster://user:password@host,other:6379` | a Redis Cluster, of which these are some nodes |

The login of a Sentinel URL is the primary's; theirs is in the query, `?sentinel_username=…&sentinel_password=…`.
`rediss+sentinel://` and `rediss+cluster://` reach all of them by TLS.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

EMBEDDED: Final = "embedded"
ONE_SERVER: Final = ("redis", "rediss", "unix")
SENTINEL: Final = ("redis+sentinel", "rediss+sentinel")
CLUSTER: Final = ("redis+cluster", "rediss+cluster")
SCHEMES: Final = (*ONE_SERVER, *SENTINEL, *CLUSTER)
SENTINEL_PORT: Final = 26_379
PORT: Final = 6_379
PORT_MAX: Final = 65_535

Node = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Whom to ask for the primary, and how to log in.

    Attributes:
        sentinels: at least one of them must answer.
        service: the primary's name there.
        db: the database on it.
        username, password: of the primary.
        sentinel_username, sentinel_password: of the Sentinels.
        tls: whether all of them want TLS.
    """

    sentinels: tuple[Node, ...]
    service: str
    db: int = 0
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    tls: bool = False


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Some nodes, and how to log in to all.

    Attributes:
        seeds: at least one of them must answer.
        username, password: of every node.
    """

    seeds: tuple[Node, ...]
    username: str | None = None
    password: str | None = None


def scheme(url: str) -> str:
    """What the URL begins with."""
    return url.partition("://")[0]


def is_tls(url: str) -> bool:
    """Whether connections are encrypted."""
    return scheme(url).startswith("rediss")


def check(url: str) -> str:
    """A URL that can be connected to.

    Raises:
        ValueError: it cannot be; says what is missing.
    """
    if url != EMBEDDED and scheme(url) not in SCHEMES:
        raise ValueError(f"must be `{EMBEDDED}` or begin with {', '.join(f'{one}://' for one in SCHEMES)}")
    if scheme(url) in ("redis", "rediss") and not _has_port(url):
        raise ValueError(f"must name a port from 0 to {PORT_MAX}, as redis://host:{PORT}/0, or none")
    if scheme(url) in SENTINEL:
        sentinel_address(url)
    if scheme(url) in CLUSTER:
        cluster_address(url)
    return url


def sentinel_address(url: str) -> SentinelAddress:
    """What a `redis+sentinel://` URL says.

    Raises:
        ValueError: no host, no service, or a port or database that is no number.
    """
    parts = urlsplit(url)
    username, password, hosts = _login(parts.netloc)
    service, _, db = parts.path.removeprefix("/").partition("/")
    if not service or not re.fullmatch(r"\d*", db):
        raise ValueError("must name the service: redis+sentinel://host:26379,other:26379/service/0")
    query = dict(parse_qsl(parts.query))
    return SentinelAddress(
        nodes(hosts, SENTINEL_PORT),
        unquote(service),
        int(db or 0),
        username,
        password,
        query.get("sentinel_username"),
        query.get("sentinel_password"),
        is_tls(url),
    )


def cluster_address(url: str) -> ClusterAddress:
    """What a `redis+cluster://` URL says.

    Raises:
        ValueError: no host, a port that is none, or a database, of which a cluster has only one.
    """
    parts = urlsplit(url)
    username, password, hosts = _login(parts.netloc)
    if parts.path not in ("", "/", "/0"):
        raise ValueError("must name no database: a cluster has only one")
    return ClusterAddress(nodes(hosts, PORT), username, password)


def node_url(url: str, node: Node) -> str:
    """The URL of one node of a cluster."""
    host, port = node
    shown = f"[{host}]" if ":" in host else host
    return f"{'rediss' if is_tls(url) else 'redis'}://{shown}:{port}"


def nodes(hosts: str, default_port: int) -> tuple[Node, ...]:
    """`host:port,host` taken apart.

    Raises:
        ValueError: one has no name, or a port that is none.
    """
    return tuple(_node(one, default_port) for one in hosts.split(","))


def _node(text: str, default_port: int) -> Node:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::(\d{1,5}))?", text)
    if not match or int(match[3] or 0) > PORT_MAX:
        raise ValueError(f"must name its hosts as host:{default_port},other:{default_port}")
    return match[1] or match[2], int(match[3] or default_port)


def _has_port(url: str) -> bool:
    """Whether the port is one, if there is any."""
    try:
        return urlsplit(url).port != -1
    except ValueError:
        return False


def _login(netloc: str) -> tuple[str | None, str | None, str]:
    login, _, hosts = netloc.rpartition("@")
    username, _, password = login.partition(":")
    return unquote(username) or None, unquote(password) or None, hosts


def masked(url: str) -> str:
    """A URL with its passwords, if any, replaced by stars, wherever redis-py or we would read them from."""
    url = re.sub(r"([?&](?:sentinel_)?password=)[^&#]*", r"\1***", url)
    name, _, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    return f"{name}://{login.partition(':')[0]}:***@{host}" if at and ":" in login else url

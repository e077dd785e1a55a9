"""Certificates of an authority of the test's own."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files.

    Attributes:
        ca: of who signed the others.
        server: certificate and key of a server at 127.0.0.1 and localhost.
        client: of a client.
    """

    ca: Path
    server: Path
    client: Path


def certificates(folder: Path) -> Certificates:
    """Made anew, in a folder."""
    authority = trustme.CA()
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(str(made.ca))
    for path, names in ((made.server, ("127.0.0.1", "localhost")), (made.client, ("client.example",))):
        authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(str(path))
    return made

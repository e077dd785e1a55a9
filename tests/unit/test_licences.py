"""The licences of what we install: all may be passed on, and the list is right."""

import pytest

from tests.support.licences import FILE, installed, is_permissive, written


def test_the_list_is_as_make_licences_writes_it() -> None:
    assert FILE.read_text() == written(), "run `make licences`"


def test_each_may_be_passed_on_with_ours() -> None:
    found = installed()
    assert {"redis", "rq", "msgspec", "cryptography", "cffi"} <= set(found)
    assert [f"{package}: {said}" for package, said in found.items() if not is_permissive(said)] == []


@pytest.mark.parametrize(
    ("said", "may"),
    [
        ("MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-3.0-only OR Apache-2.0", True),
        ("Apache-2.0 AND MIT", True),
        ("Proprietary", False),
    ],
)
def test_which_licences_may_be(said: str, may: bool) -> None:  # noqa: FBT001 - a table
    assert is_permissive(said) is may

import os
import tempfile
from pathlib import Path

import pytest

from forwarder.paths import DataDir, default_data_dir


def test_the_data_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert default_data_dir() == Path("/somewhere/forwarder")


@pytest.mark.parametrize("unset", ["", None])
def test_without_xdg_the_data_folder_is_in_the_home(monkeypatch: pytest.MonkeyPatch, unset: str | None) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if unset is not None:
        monkeypatch.setenv("XDG_DATA_HOME", unset)
    assert default_data_dir() == Path("/home/ada/.local/share/forwarder")


def test_a_user_without_a_home_has_a_folder_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert default_data_dir() == Path(tempfile.gettempdir()) / f"forwarder-{os.getuid()}"


def test_each_file_has_a_place_of_its_own_under_the_root() -> None:
    data = DataDir(Path("/d"))
    places = [data.valkey, data.socket, data.lock, data.sandbox, data.spill]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(data.root) for place in places)
    assert data.socket.parent == data.valkey

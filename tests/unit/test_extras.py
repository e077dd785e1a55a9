import subprocess
import sys

import pytest

from forwarder.console.mount import is_offered
from forwarder.errors import ForwarderError
from forwarder.extras import EXTRAS, is_installed, require
from forwarder.ingest.openapi import openapi
from forwarder.settings import load_settings


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_installed_is_not_asked_for(extra: str) -> None:
    require(extra)


def test_what_is_missing_is_named_with_the_command_that_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "cli", ("no_such_module",))
    with pytest.raises(ForwarderError, match=r"no_such_module is missing.*feedback-forwarder\[cli\]"):
        require("cli")


def test_whether_an_extra_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_installed("console")
    assert is_offered(load_settings())
    assert not is_offered(load_settings(console=False))
    monkeypatch.setitem(EXTRAS, "console", ("starlette", "no_such_module"))
    assert not is_installed("console")
    assert not is_offered(load_settings())
    assert "/api/status" not in openapi(load_settings())["paths"]


def test_a_producers_install_has_no_command_line_but_a_clear_word() -> None:
    without_typer = "import sys; sys.modules['typer'] = None; from forwarder.extras import EXTRAS; "
    without_typer += "EXTRAS['cli'] = ('not_installed',); from forwarder.cli import main; main()"
    called = subprocess.run([sys.executable, "-c", without_typer], capture_output=True, text=True, check=False)
    assert called.returncode == 1
    assert called.stderr.startswith("error: not_installed is missing")
    assert "Traceback" not in called.stderr

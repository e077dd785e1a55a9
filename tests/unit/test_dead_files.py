"""Files of exported letters."""

from pathlib import Path

import pytest

from forwarder.dead.files import read_lines, written_file
from forwarder.errors import ForwarderError

KINDS = ["letters.jsonl", "letters.jsonl.gz", "letters.jsonl.zst"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("lines", [[], [b'{"body": 1}\n', b'{"body": 2}\n']], ids=["none", "two"])
def test_what_was_written_is_read_again_also_when_it_is_nothing(tmp_path: Path, name: str, lines: list[bytes]) -> None:
    path = str(tmp_path / name)
    with written_file(path, force=False) as out:
        for line in lines:
            out.write(line)

    with read_lines(path) as read:
        assert list(read) == list(enumerate(lines, 1))


@pytest.mark.parametrize("name", ["nowhere/letters.jsonl", "file/letters.jsonl"])
def test_a_file_that_cannot_be_written_is_told_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    path = str(tmp_path / name)
    with pytest.raises(ForwarderError, match=f"{path} cannot be written: N"), written_file(path, force=False):
        pass


@pytest.mark.parametrize("name", KINDS[1:])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with written_file(str(path), force=False) as out:
        out.write(b'{"body": 1}\n')
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(ForwarderError, match="cut off"), read_lines(str(path)) as read:
        list(read)

from pathlib import Path

import pytest

from restate.runtime.config.directory import nearest_directory


def test_it_is_the_directory_or_the_one_that_is_there_above_it(tmp_path: Path) -> None:
    assert nearest_directory(tmp_path) == tmp_path
    assert nearest_directory(tmp_path / "a" / "b") == tmp_path


@pytest.mark.parametrize("path", ["file", "file/below", "a" * 300])
def test_what_can_be_no_directory_is_an_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|too long"):
        nearest_directory(tmp_path / path)

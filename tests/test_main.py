"""Every way in which the server ends is one line on standard error and an exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from restate.runtime import main as command
from restate.runtime.errors import PortInUse, StorageDamaged, StorageLocked
from restate.runtime.storage.api import StorageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setattr("restate.runtime.telemetry.log.configure", lambda *_args, **_options: None)


def end(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> int:
    """The exit status of a server that ends with this error."""

    def serve(_config: object, _load: object) -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(command, "_serve", serve)
    return command.main([])


def test_a_shutdown_in_good_order_is_status_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(monkeypatch, None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PortInUse("port taken"), "restate-server: [RT0004] port taken. Stop the program"),
        (StorageLocked("locked"), "restate-server: [RT0005] locked. Stop the other server"),
        (StorageDamaged("lost"), "restate-server: [RT0009] lost. Point base_dir to"),
        (StorageError("No space\nleft on  device"), "restate-server: No space left on device\n"),
        (
            ExceptionGroup("a", [ExceptionGroup("b", [StorageError("disk full")])]),
            "restate-server: disk full\n",
        ),
        (
            BaseExceptionGroup("a", [RuntimeError("follows from it"), StorageError("disk full")]),
            "restate-server: disk full\n",
        ),
        (KeyboardInterrupt(), "restate-server: interrupted while starting\n"),
    ],
)
def test_known_errors_are_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
    line: str,
) -> None:
    assert end(monkeypatch, error) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(line)
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert caplog.records == []


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), ExceptionGroup("group", [KeyError("bug")])])
def test_a_fault_of_the_server_is_logged_with_its_traceback_and_then_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    assert end(monkeypatch, error) == 1
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert capsys.readouterr().err.startswith("restate-server: ended by a fault of the server")


def test_a_configuration_that_cannot_be_used_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--set", "ingres.bind_address=:1"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("restate-server: [RT0002] ingres.bind_address (command line): unknown key")
    assert printed.count("\n") == 1


def test_the_configuration_in_effect_is_printed_without_starting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_serve", lambda *_: pytest.fail("it started"))
    assert command.main(["--print-config", "--base-dir", "elsewhere"]) == 0
    assert "elsewhere" in capsys.readouterr().out


def test_a_wrong_argument_is_status_2() -> None:
    with pytest.raises(SystemExit) as exit_:
        command.main(["--nonsense"])
    assert exit_.value.code == 2

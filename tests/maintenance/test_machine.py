import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from restate.runtime.config import Address
from restate.runtime.maintenance import machine
from restate.runtime.maintenance.finding import Finding
from restate.runtime.net.listener import bind


@pytest.mark.parametrize(("limit", "level"), [(100, "problem"), (1024, "warning"), (65536, "ok")])
def test_few_descriptors_are_reported_with_what_to_do(limit: int, level: str) -> None:
    finding = machine.descriptors(limit)
    assert (finding.level, bool(finding.hint)) == (level, level != "ok")


def test_a_port_in_use_is_a_problem() -> None:
    taken = bind("127.0.0.1", 0)
    try:
        used, free = machine.ports(
            {"ingress": Address("127.0.0.1", taken.port), "admin": Address("127.0.0.1", 0)}, running=False
        )
    finally:
        taken.close()
    assert (used.level, free.level) == ("problem", "ok")
    assert "ingress.bind_address" in used.hint


def test_one_address_for_two_ports_is_a_problem() -> None:
    free = bind("127.0.0.1", 0)
    address = Address("127.0.0.1", free.port)
    free.close()
    first, second = machine.ports({"ingress": address, "admin": address}, running=False)
    assert (first.level, second.level) == ("ok", "problem")
    assert "admin.bind_address" in second.hint


def test_ports_of_a_running_server_are_not_tried() -> None:
    findings = machine.ports({"ingress": Address("127.0.0.1", 1)}, running=True)
    assert [finding.level for finding in findings] == ["ok"]


def test_the_disk_is_looked_at_where_the_data_would_be(tmp_path: Path) -> None:
    findings = machine.disk(tmp_path / "not" / "there")
    assert {finding.subject for finding in findings} == {"disk space", "disk flush"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("free", "level", "text"),
    [(10 << 20, "problem", "10 MiB"), (500 << 20, "warning", "500 MiB"), (3 << 30, "ok", "3.0 GiB")],
)
def test_little_space_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: str, text: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    space = next(finding for finding in machine.disk(tmp_path) if finding.subject == "disk space")
    assert (space.level, text in space.text) == (level, True)


@pytest.mark.parametrize("base_dir", ["file", "file/below", "a" * 300, "/proc/restate"])
def test_a_place_that_cannot_hold_the_data_is_a_problem(tmp_path: Path, base_dir: str) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / base_dir
    problems = [finding for finding in machine.disk(place) if finding.subject == "disk"]
    assert [finding.level for finding in problems] == ["problem"]
    assert "cannot write to" in problems[0].text
    assert problems[0].hint
    assert machine.clock(place, 0).level == "ok"


def test_data_of_the_future_is_reported(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    file = tmp_path / "db" / "000004.log"
    file.touch()
    os.utime(file, (1_000_000, 1_000_000))
    assert machine.clock(tmp_path, 1_000_000_000).level == "ok"
    assert "100 s in the future" in machine.clock(tmp_path, 999_900_000).text


def test_a_finding_leaves_passwords_of_addresses_out() -> None:
    assert (
        Finding("ok", "deployment", "dp_1 at http://a:b@h:1/").line()
        == "ok       deployment     dp_1 at http://***@h:1/"
    )


def test_a_finding_says_what_to_do_on_a_second_line() -> None:
    assert Finding("problem", "clock", "behind", "set it").line().splitlines() == [
        "problem  clock          behind",
        "                        -> set it",
    ]

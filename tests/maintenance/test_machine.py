import os
from pathlib import Path

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


def test_ports_of_a_running_server_are_not_tried() -> None:
    findings = machine.ports({"ingress": Address("127.0.0.1", 1)}, running=True)
    assert [finding.level for finding in findings] == ["ok"]


def test_the_disk_is_looked_at_where_the_data_would_be(tmp_path: Path) -> None:
    findings = machine.disk(tmp_path / "not" / "there")
    assert {finding.subject for finding in findings} == {"disk space", "disk flush"}
    assert list(tmp_path.iterdir()) == []


def test_data_of_the_future_is_reported(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    file = tmp_path / "db" / "000004.log"
    file.touch()
    os.utime(file, (1_000_000, 1_000_000))
    assert machine.clock(tmp_path, 1_000_000_000).level == "ok"
    assert "100 s in the future" in machine.clock(tmp_path, 999_900_000).text


def test_a_finding_says_what_to_do_on_a_second_line() -> None:
    assert Finding("problem", "clock", "behind", "set it").line().splitlines() == [
        "problem  clock          behind",
        "                        -> set it",
    ]

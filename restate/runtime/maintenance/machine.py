"""Checks of what the machine gives: ports, descriptors, disk and clock."""

import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from restate.runtime.config import Address
from restate.runtime.config.directory import nearest_directory
from restate.runtime.maintenance.finding import Finding
from restate.runtime.net.listener import bind

FEW_DESCRIPTORS = 4096
TOO_FEW_DESCRIPTORS = 256
LITTLE_SPACE_BYTES = 1 << 30
TOO_LITTLE_SPACE_BYTES = 64 << 20
SLOW_SYNC_S = 0.02
AHEAD_MS = 2_000
_PROBES = 20
_PROBE = b"\0" * 4096


def descriptors(soft_limit: int | None = None) -> Finding:
    """soft_limit: None for the one of this process."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if soft_limit is None else soft_limit
    hint = "raise it: ulimit -n 65536, or LimitNOFILE=65536 in a systemd unit"
    text = f"{limit} may be open at a time; each connection and attempt needs one"
    if limit < TOO_FEW_DESCRIPTORS:
        return Finding("problem", "descriptors", text, hint)
    return (
        Finding("warning", "descriptors", text, hint)
        if limit < FEW_DESCRIPTORS
        else Finding("ok", "descriptors", text)
    )


def ports(addresses: Mapping[str, Address], running: bool) -> list[Finding]:
    """Whether a server could listen. running: a server has the data, so its ports are in use as they should be."""
    if running:
        return [Finding("ok", "ports", "not tried: the running server has them")]
    # They are held until all have been tried: two of them may have the same address.
    with ExitStack() as held:
        return [_port(name, address, held) for name, address in addresses.items()]


def _port(name: str, address: Address, held: ExitStack) -> Finding:
    try:
        held.callback(bind(address.ip, address.port).close)
    except OSError as error:
        return Finding(
            "problem",
            f"port {name}",
            f"cannot listen on {address}: {error.strerror or error} (RT0004)",
            f"stop the program that uses it, or set {name}.bind_address to another than the other ports have",
        )
    return Finding("ok", f"port {name}", f"{address} is free")


def disk(base_dir: Path) -> list[Finding]:
    """Space, permission and the time of a flush, where the data is or would be."""
    try:
        folder = nearest_directory(base_dir)
    except OSError as error:
        return [_unusable(base_dir, error)]
    return [_space(folder), _sync(folder)]


def _unusable(folder: Path, error: OSError) -> Finding:
    text = f"cannot write to {folder}: {error.strerror} (RT0002)"
    return Finding("problem", "disk", text, "correct its permissions, free some space, or set base_dir")


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    amount = f"{free / (1 << 30):.1f} GiB" if free >= 1 << 30 else f"{free >> 20} MiB"
    text = f"{amount} are free at {folder}"
    hint = "free some space, or set base_dir: the server stops when it cannot write"
    if free < TOO_LITTLE_SPACE_BYTES:
        return Finding("problem", "disk space", text, hint)
    return (
        Finding("warning", "disk space", text, hint)
        if free < LITTLE_SPACE_BYTES
        else Finding("ok", "disk space", text)
    )


def _sync(folder: Path) -> Finding:
    times = []
    try:
        # Without a name, where the system can do that: nothing is left of it, however this ends.
        with tempfile.TemporaryFile(prefix=".doctor-", dir=folder, buffering=0) as file:
            for _ in range(_PROBES):
                started = time.perf_counter()
                file.write(_PROBE)
                os.fdatasync(file.fileno())
                times.append(time.perf_counter() - started)
    except OSError as error:
        return _unusable(folder, error)
    median = statistics.median(times)
    text = f"a flush takes {median * 1000:.1f} ms; every answer waits for one"
    if median > SLOW_SYNC_S:
        return Finding("warning", "disk flush", text, "put base_dir on a local SSD")
    return Finding("ok", "disk flush", text)


def clock(base_dir: Path, now_ms: int) -> Finding:
    """now_ms: of the machine. The data must not be from the future: timers would fire late."""
    newest_ms = max(_written_ms(base_dir / "db"), default=0)
    if newest_ms > now_ms + AHEAD_MS:
        return Finding(
            "warning",
            "clock",
            f"the data was written {(newest_ms - now_ms) / 1000:.0f} s in the future of this machine's clock",
            "set the clock, by NTP for one; timers wait until it has caught up",
        )
    return Finding("ok", "clock", "not behind the data")


def _written_ms(folder: Path) -> list[int]:
    """When its files were written; none of a folder that cannot be read, which another check tells."""
    times = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # a server that runs deletes some meanwhile
                times.append(entry.stat().st_mtime_ns // 1_000_000)
    return times

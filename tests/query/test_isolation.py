"""Workers have no network, where the system lets them give it up."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import socket, sys
from pathlib import Path
from restate.runtime.query.worker.isolation import leave_network

listener = socket.create_server(("127.0.0.1", 0))
left = leave_network(Path(sys.argv[1]))
try:
    socket.create_connection(listener.getsockname(), 5).close()
    reached = True
except OSError:
    reached = False
(Path(sys.argv[1]) / "file").write_text("x")
print(left, reached)
"""


def test_a_process_that_has_left_reaches_nobody_and_still_writes_files(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
    )
    left, reached = run.stdout.split()
    # Where it cannot leave, it is as it was.
    assert (left == "True") == (reached == "False")
    assert (tmp_path / "file").stat().st_uid == os.getuid()

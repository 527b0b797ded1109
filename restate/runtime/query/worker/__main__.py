"""The entry of a worker process; its one argument is `process.Settings` as JSON."""

import sys
from pathlib import Path

import msgspec

from restate.runtime.query.worker.isolation import leave_network
from restate.runtime.query.worker.settings import Settings


def main() -> None:
    settings = msgspec.json.decode(sys.argv[1], type=Settings)
    leave_network(Path(settings.home))
    # Only now, because the libraries start threads, which could not follow.
    from restate.runtime.query.worker.process import run

    run(settings)


if __name__ == "__main__":
    main()

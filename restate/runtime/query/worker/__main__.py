"""The entry of a worker process; its one argument is `process.Settings` as JSON."""

import sys

import msgspec

from restate.runtime.query.worker.process import Settings, run

if __name__ == "__main__":
    run(msgspec.json.decode(sys.argv[1], type=Settings))

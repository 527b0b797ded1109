"""`python -m restate.runtime.cli`: the same program, also where `restate` is the official one."""

from restate.runtime.cli import main

if __name__ == "__main__":
    main()

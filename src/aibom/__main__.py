"""`python -m aibom`, and the console script."""

from __future__ import annotations

import gc
import sys

# Python looks for cycles after every 700 new objects, in all objects again and again: a quarter of the time of a scan
# that reads 50,000 tensors, for cycles that a scan hardly makes. At this rate it costs nothing and frees as much.
_COLLECT_AFTER = (20_000, 20, 50)


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        from aibom.cli import main as run  # noqa: PLC0415 -- the console script imports this module only
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    sys.exit(run())


if __name__ == "__main__":
    main()

"""`python -m aibom`, and the console script."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from aibom.cli import main as run  # noqa: PLC0415 -- the console script imports this module only

    sys.exit(run())


if __name__ == "__main__":
    main()

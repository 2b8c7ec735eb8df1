"""Read license texts with ScanCode in a process of its own: run as a script, it imports nothing of this package.

Arguments: address space in bytes, seconds of processor time. Standard input: a JSON list of texts. Standard output: a
line of JSON with ScanCode's version, then one for each text, a list of `[SPDX expression, score from 0 to 100]`.
"""

from __future__ import annotations

import json
import resource
import sys
from importlib.metadata import PackageNotFoundError, version


def main(memory: int, seconds: int) -> None:
    """Answer for every text in turn."""
    # Set here and not by the parent: between fork and exec of a process with threads nothing of Python may run.
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    texts = json.load(sys.stdin)
    # ScanCode's libraries print; what they say must not stand between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    from licensedcode.cache import get_index  # noqa: PLC0415 -- after the limits are set
    from licensedcode.detection import detect_licenses  # noqa: PLC0415

    index = get_index()
    print(json.dumps({"version": _version()}), file=answers, flush=True)
    for text in texts:
        found = [
            (item.license_expression_spdx, min(float(match.score()) for match in item.matches))
            for item in detect_licenses(index=index, query_string=text)
        ]
        print(json.dumps(found), file=answers, flush=True)


def _version() -> str:
    for name in ("scancode-toolkit-mini", "scancode-toolkit"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of unknown version"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))

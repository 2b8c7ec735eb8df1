"""Run every benchmark in one go and write RESULTS.md."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.measure import Group, machine

# Each has `run() -> list[Group]`.
BENCHMARKS = ("bench.scans", "bench.pickle_walk", "bench.remote", "bench.resolving")


def main() -> None:
    """Measure, print, and write the results."""
    only = sys.argv[1:]
    groups: list[Group] = []
    for name in BENCHMARKS:
        if not only or name.removeprefix("bench.") in only:
            groups += importlib.import_module(name).run()
    text = render(groups)
    print(text)
    if not only:
        (HERE / "RESULTS.md").write_text(text)


def render(groups: list[Group]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Measured",
        "",
        f"Written by `make bench` on {dt.datetime.now(dt.UTC):%Y-%m-%d}: {machine()}.",
        "Medians; the ratio is to the first row of the group or to what the note names.",
        "Absolute figures belong to the machine, ratios travel.",
    ]
    for group in groups:
        lines += ["", f"## {group.name}", "", "| case | subject | seconds | ratio | peak MiB | note |",
                  "|---|---|---:|---:|---:|---|"]  # fmt: skip
        for row in group.rows:
            seconds = "" if row.seconds is None else f"{row.seconds:.4g}"
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            peak = "" if row.peak_mib is None else f"{row.peak_mib:.0f}"
            lines.append(f"| {row.case} | {row.subject} | {seconds} | {ratio} | {peak} | {row.note} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

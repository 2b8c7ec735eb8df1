"""Run benchmarks and write RESULTS.md: all of them, or the named ones beside what the others came to last time.

python bench/run.py                 all
python bench/run.py scans fleet     these two; the figures of the others stay, with their dates
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.measure import Group, Row, machine

# Each has `run() -> list[Group]`.
BENCHMARKS = ("scans", "many_files", "pickle_walk", "remote", "signatures", "resolving", "fleet")
KEPT = HERE / "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one benchmark came to, where and when."""

    machine: str
    date: str
    groups: Sequence[Group]


def main() -> None:
    """Measure, print, and write the results."""
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    results = load(KEPT)
    for name in names:
        groups = importlib.import_module(f"bench.{name}").run()
        results[name] = Result(machine=machine(), date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", groups=groups)
        print("\n".join(table(groups)), flush=True)
        # At once: an hour of measuring is not lost to a fault in the last benchmark.
        KEPT.write_text(json.dumps({key: asdict(item) for key, item in results.items()}, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(render(results))
    if "fleet" in names:
        from bench.cost import write

        write()


def load(path: Path) -> dict[str, Result]:
    """Return what earlier runs came to, by benchmark."""
    raw: Mapping[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {
        name: Result(
            machine=item["machine"],
            date=item["date"],
            groups=[Group(group["name"], [Row(**row) for row in group["rows"]]) for group in item["groups"]],
        )
        for name, item in raw.items()
    }


def render(results: Mapping[str, Result]) -> str:
    """Return the results as Markdown."""
    lines = [
        "# Measured",
        "",
        "Written by `make bench`; `python bench/run.py NAME ...` measures some anew and keeps the others.",
        "Medians; the ratio is to the first row of the group or to what the note names.",
        "Absolute figures belong to the machine, ratios travel.",
    ]
    before = ""
    for name in BENCHMARKS:
        if name not in results:
            continue
        result = results[name]
        where = f"On {result.date}: {result.machine}."
        if where != before:
            lines += ["", where]
        before = where
        lines += table(result.groups)
    return "\n".join(lines) + "\n"


def table(groups: Sequence[Group]) -> list[str]:
    """Return lines of Markdown, a table for each group."""
    lines = []
    for group in groups:
        lines += ["", f"## {group.name}", "", "| case | subject | seconds | ratio | peak MiB | note |",
                  "|---|---|---:|---:|---:|---|"]  # fmt: skip
        for row in group.rows:
            seconds = "" if row.seconds is None else f"{row.seconds:.4g}"
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
            peak = "" if row.peak_mib is None else f"{row.peak_mib:.0f}"
            lines.append(f"| {row.case} | {row.subject} | {seconds} | {ratio} | {peak} | {row.note} |")
    return lines


if __name__ == "__main__":
    main()

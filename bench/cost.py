"""What a mirror of a million repositories costs, computed from the measured figures: the table in docs/scale.md.

python -m bench.cost   writes it; bench/run.py does so after measuring a fleet
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.measure import ROOT
from bench.run import KEPT, Result, load

PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- computed: begin -->\n", "<!-- computed: end -->\n"
REPOSITORIES = 1_000_000
# Bytes of weights in a repository, on average over the mirror: whoever plans knows theirs.
MEANS = (10**9, 10**10, 10**11)
_HOUR = 3600
_REQUEST_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one repository costs. Seconds are those that one core computes, sizes are bytes."""

    fixed: float
    """Seconds for everything but the bytes of the weights: listing, inspecting, assessing, writing the BOM."""
    rate: float
    """Bytes of weights a second."""
    again: float
    """Seconds where nothing has changed since the last scan and the cache is there."""
    written: float
    """Bytes of BOM, journal and index."""
    remote: float
    """Seconds for a scan by metadata of a model on a hub."""
    moved: float
    requests: float
    where: str


def measured(results: Mapping[str, Result]) -> Measured:
    """Take the figures from what `bench/fleet.py` came to."""
    result = results["fleet"]
    full, bare, hub = result.groups
    rows = {(group.name, row.case, row.subject): row.values for group in result.groups for row in group.rows}
    heavy = rows[full.name, "scan, write BOMs and index", "1 worker"]
    light = rows[bare.name, "scan, write BOMs and index", "1 worker"]
    again = rows[full.name, "scan an unchanged mirror again, --cache", "1 worker"]
    far = rows[hub.name, "scan, write BOMs and index", "1 worker"]
    return Measured(
        fixed=light["seconds"],
        rate=(heavy["bytes"] - light["bytes"]) / (heavy["seconds"] - light["seconds"]),
        again=again["seconds"],
        written=light["out"],
        remote=far["seconds"],
        moved=far["moved"],
        requests=far["requests"],
        where=f"{result.date}, {result.machine}",
    )


def table(costs: Measured, repositories: int = REPOSITORIES) -> str:
    """Return the figures and what follows from them, as Markdown."""
    lines = [
        f"Core-seconds of one worker ({costs.where}):",
        "",
        "| | one repository |",
        "|---|---:|",
        f"| `fixed`: list, inspect, assess, write the BOM | {costs.fixed * 1000:.0f} ms |",
        f"| `rate`: read and digest weights | {costs.rate / 1e9:.2f} GB/s |",
        f"| `again`: nothing has changed, `--cache` | {costs.again * 1000:.0f} ms |",
        f"| `written`: BOM, journal, index | {costs.written / 1000:.0f} kB |",
        f"| `remote`: scan of a hub by metadata, without waiting | {costs.remote * 1000:.0f} ms |",
        f"| `moved`: bytes of that | {costs.moved / 1000:.0f} kB |",
        f"| `requests` of that | {costs.requests:.1f} |",
        "",
        f"For {repositories:,} repositories:",
        "",
        "| scan | weights a repository | core-hours | read or moved | written |",
        "|---|---:|---:|---:|---:|",
    ]
    written = _size(repositories * costs.written)
    for mean in MEANS:
        hours = repositories * (costs.fixed + mean / costs.rate) / _HOUR
        lines.append(f"| full | {_size(mean)} | {hours:,.0f} | {_size(repositories * mean)} | {written} |")
    hours = repositories * costs.again / _HOUR
    lines.append(f"| full, unchanged since the last | any | {hours:,.0f} | the status of each file | {written} |")
    hours = repositories * costs.remote / _HOUR
    moved = _size(repositories * costs.moved)
    lines.append(f"| metadata, over the network | any | {hours:,.0f} | {moved} | {written} |")
    waiting = repositories * costs.requests * _REQUEST_SECONDS / _HOUR
    asked = (
        f"A scan by metadata makes {repositories * costs.requests:,.0f} requests; at {_REQUEST_SECONDS * 1000:.0f} ms "
        f"each, one after the other, the models wait {waiting:,.0f} hours in all, during which their workers use no "
        "core: so give it more workers than cores."
    )
    lines += ["", asked]
    return "\n".join(lines) + "\n"


def write(path: Path = PAGE) -> None:
    """Put the table into the page."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(before + BEGIN + "\n" + table(measured(load(KEPT))) + "\n" + END + after)


def _size(count: float) -> str:
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:,.3g} {name}"
    return f"{count:,.0f} bytes"


if __name__ == "__main__":
    write()
    sys.stdout.write(table(measured(load(KEPT))))

"""Other scanners to measure beside ours, each in an environment of its own below build/peers."""

from __future__ import annotations

import subprocess
import sys

from bench.measure import ROOT

# The releases whose figures stand in RESULTS.md.
REQUIREMENTS = {
    "picklescan": "picklescan==1.0.5",
    "modelscan": "modelscan==0.8.8",
    "modelaudit": "modelaudit==0.2.54",
}
_PLACE = ROOT / "build" / "peers"


def program(name: str) -> str | None:
    """Return the program of a peer, installed from PyPI if need be; None where it can't be had."""
    place = _PLACE / f"{name}-venv"
    path = place / "bin" / name
    if not path.exists():
        steps = (
            [sys.executable, "-m", "venv", str(place)],
            [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENTS[name]],
        )
        if any(subprocess.run(step, check=False, capture_output=True).returncode for step in steps):
            print(f"{name} can't be installed here: it is left out", file=sys.stderr)
            return None
    return str(path)


def scanning(name: str, target: str) -> list[str] | None:
    """Return the command with which a peer scans a path; None where it can't be had."""
    path = program(name)
    if path is None:
        return None
    match name:
        case "picklescan":
            return [path, "--path", target]
        case "modelscan":
            return [path, "-p", target]
        case _:
            return [path, "scan", "--quiet", "--no-cache", target]


def label(name: str) -> str:
    """Return a peer's name with its version."""
    return REQUIREMENTS[name].replace("==", " ")

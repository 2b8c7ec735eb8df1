"""Give each scanner an environment of its own, from the package index: their pins exclude one another."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from tools.peers.scanners import Peer
from tools.peers.trials import ROOT

FOLDER = ROOT / "build" / "peers"
# Their source distributions hold the samples that `public` reads.
SAMPLES_OF = "modelaudit"


def programs(peer: Peer) -> Path:
    """Return the folder of a scanner's command."""
    return FOLDER / f"{peer.name}-venv" / "bin"


def site_packages(peer: Peer) -> Path:
    """Return the folder of a scanner's modules."""
    return next((FOLDER / f"{peer.name}-venv").glob("lib/python3*/site-packages"))


def installed(peer: Peer) -> bool:
    """Say whether a scanner's command is there."""
    return (programs(peer) / peer.name).exists()


def install(peer: Peer) -> None:
    """Make the environment, unless it is there; raises `CalledProcessError` where the index does not give it."""
    if installed(peer):
        return
    subprocess.run([sys.executable, "-m", "venv", FOLDER / f"{peer.name}-venv"], check=True)
    subprocess.run(
        [programs(peer) / "python", "-m", "pip", "install", "--quiet", *peer.requirement.split()], check=True
    )


def version(peer: Peer) -> str:
    """Return the release that is installed."""
    found = distributions(name=peer.name, path=[str(site_packages(peer))])
    return next((distribution.version for distribution in found), "unknown")


def source_distribution(peer: Peer) -> Path | None:
    """Return the source distribution of the installed release, fetched unless it is there; None if it can't be."""
    folder = FOLDER / "sdist"
    name = f"{peer.name}-{version(peer)}.tar.gz"
    if not (folder / name).exists():
        subprocess.run(
            [programs(peer) / "python", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
             "--dest", folder, f"{peer.name}=={version(peer)}"],
            check=False, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )  # fmt: skip
    return folder / name if (folder / name).exists() else None

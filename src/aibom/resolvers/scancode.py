"""Ask ScanCode what license texts are, in a child process with bounds on its time and memory.

Never in this process: ScanCode takes a gigabyte of memory and, at its start, loads its own index as a pickle.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess  # the child is this interpreter with a script of this package, never anything of the target
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from aibom.limits import MIB

log = logging.getLogger("aibom.resolvers.scancode")

MOST_TEXTS = 100
MOST_CHARACTERS = MIB
MEMORY = 4 * 1024 * MIB  # address space; ScanCode 32.5.0 holds 1.4 GiB of it
SECONDS = 300  # of which its start takes 4 to 15
_MOST_SAID = 50  # licenses in one text


class Opinion(Struct, frozen=True, kw_only=True):
    """What ScanCode says of one text: SPDX expressions, each with the lowest score (0 to 100) of what matched."""

    licenses: tuple[tuple[str, float], ...]


class Answer(Struct, frozen=True, kw_only=True):
    """What came back. `fault` says why opinions are missing at the end; `who` is `ScanCode` with its version."""

    who: str = "ScanCode"
    opinions: tuple[Opinion, ...] = ()
    fault: str | None = None


def is_installed() -> bool:
    """Say whether the extra `aibom[scancode]` is there."""
    from importlib.util import find_spec  # noqa: PLC0415 -- only where it was asked for

    return find_spec("licensedcode") is not None


def ask_scancode(
    texts: Sequence[str],
    *,
    command: Sequence[str] = (sys.executable, "-I", "-W", "ignore", str(Path(__file__).with_name("scancode_child.py"))),
    memory: int = MEMORY,
    seconds: int = SECONDS,
) -> Answer:
    """Return one opinion for each text, fewer where the child did not get through them.

    Args:
        texts: what to read; of each the first `MOST_CHARACTERS`.
        command: what to start; it gets memory and seconds as arguments (see `scancode_child`).
        memory: the child's address space in bytes.
        seconds: both of processor time and by the clock.
    """
    asked = json.dumps([text[:MOST_CHARACTERS] for text in texts[:MOST_TEXTS]]).encode()
    with tempfile.TemporaryDirectory(prefix="aibom-scancode-") as folder:
        # Nothing of the user's environment: no proxies, tokens or settings that ScanCode or Python would follow.
        environment = {
            "HOME": folder, "SCANCODE_CACHE": folder, "SCANCODE_TEMP": folder, "PATH": os.defpath, "LANG": "C.UTF-8",
        }  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603 -- our own interpreter and script
                [*command, str(memory), str(seconds)],
                input=asked,
                capture_output=True,
                env=environment,
                cwd=folder,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            return _read(fault.stdout or b"", len(texts), f"it took longer than {seconds} s")
        except OSError as fault:
            return Answer(fault=f"it can't be started: {fault.strerror or fault}")
    if done.returncode:
        log.info("ScanCode: %s", done.stderr[-2000:].decode("utf-8", "replace"))
    why = _ends(done.returncode, done.stderr) if done.returncode else None
    return _read(done.stdout, len(texts), why)


def _ends(code: int, said: bytes) -> str:
    if b"MemoryError" in said or b"std::bad_alloc" in said:
        return "it needed more memory than it is allowed"
    return f"it was ended by signal {-code}" if code < 0 else f"it ended with {code}"


def _read(output: bytes, asked: int, fault: str | None) -> Answer:
    """Read the lines of the child that are whole, and say so where opinions are missing."""
    who, opinions = "ScanCode", []
    for line in output.split(b"\n")[: MOST_TEXTS + 1]:
        try:
            value = json.loads(line) if line.strip() else None
        except ValueError:
            break  # cut off in the middle
        match value:
            case {"version": str(version)}:
                who = f"ScanCode {version[:40]}"
            case [*items]:
                found = [
                    (str(expression)[:500], float(score))
                    for expression, score in (item for item in items if isinstance(item, list) and len(item) == 2)
                    if isinstance(expression, str) and isinstance(score, int | float)
                ]
                opinions.append(Opinion(licenses=tuple(found[:_MOST_SAID])))
            case _:
                continue
    if fault is None and len(opinions) < asked:
        fault = f"it read {len(opinions)} of {asked} texts"
    return Answer(who=who, opinions=tuple(opinions[:asked]), fault=fault)

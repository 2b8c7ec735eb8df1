"""Judge the names of archive members as an unpacker would: does this one leave its directory?"""

from __future__ import annotations

import re

_DRIVE = re.compile(rb"^[A-Za-z]:")


def fault_of(name: bytes) -> str | None:
    r"""Say why a member's name is unsafe, or None. A backslash counts as a separator, as it does on Windows.

    >>> fault_of(b"model/../../etc/passwd")
    'climbs out of the directory it is unpacked to'
    >>> fault_of(b"./weights/0") is None
    True
    """
    if b"\0" in name:
        return "holds a NUL byte, at which some readers cut it"
    path = name.replace(b"\\", b"/")
    if path.startswith(b"/"):
        return "is absolute"
    if _DRIVE.match(path):
        return "begins with a drive letter"
    if climbs(path):
        return "climbs out of the directory it is unpacked to"
    return None


def link_fault(name: bytes, target: bytes, *, from_root: bool) -> str | None:
    """Say why the target of a link is unsafe, or None.

    A symbolic link's target counts from the directory of the link, a hard link's (`from_root`) from the root.
    """
    fault = fault_of(target)
    if fault is None or fault.startswith("climbs"):
        path = target.replace(b"\\", b"/")
        if not from_root:
            parent = name.replace(b"\\", b"/").rpartition(b"/")[0]
            path = parent + b"/" + path if parent else path
        return "leads out of the directory it is unpacked to" if climbs(path) else None
    return fault


def climbs(path: bytes) -> bool:
    """Say whether a relative POSIX path leaves the directory it starts in."""
    depth = 0
    for part in path.split(b"/"):
        if part == b"..":
            depth -= 1
            if depth < 0:
                return True
        elif part not in {b"", b"."}:
            depth += 1
    return False

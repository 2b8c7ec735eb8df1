"""Read the JSON documents of an archive whose format an inspector knows."""

from __future__ import annotations

from typing import Any

from aibom.containers.protocol import Budget
from aibom.containers.zip_archive import open_entry, read_directory
from aibom.containers.zip_directory import ZipDirectory, ZipEntry
from aibom.errors import FileFault, LimitExceeded
from aibom.inspectors.foreign_json import decode_json, read_json
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource


class ZipDocuments:
    """The entries of one archive, and a budget for reading some of them."""

    def __init__(self, data: ByteSource, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._budget = Budget(members=limits.container_members, expanded_bytes=4 * limits.json_bytes)
        self.directory: ZipDirectory = read_directory(data, limits)

    def named(self, name: bytes) -> list[ZipEntry]:
        """Return every entry of this name: where a name stands twice, readers differ on which they take."""
        return [entry for entry in self.directory.entries if entry.raw_name == name]

    def text(self, seen: Observations, entry: ZipEntry) -> str | None:
        """Return an entry as text; a fault is kept as a finding, and None returned."""
        try:
            with self._open(entry) as member:
                return decode_json(member.read_at(0, member.size))
        except FileFault as fault:
            seen.fault(fault, members=(entry.name,))
            return None

    def json(self, seen: Observations, entry: ZipEntry) -> Any:
        """Return an entry as JSON; a fault is kept as a finding, and None returned."""
        try:
            with self._open(entry) as member:
                return read_json(member, self._limits)
        except FileFault as fault:
            seen.fault(fault, members=(entry.name,))
            return None

    def _open(self, entry: ZipEntry) -> ByteSource:
        member = open_entry(self._data, entry, self._limits, self._budget)
        if member.size > self._limits.json_bytes:
            raise LimitExceeded(f"a document of {member.size} bytes, limit {self._limits.json_bytes}")
        return member

"""What a container is: a file whose members are files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct, field

from aibom.errors import LimitExceeded
from aibom.files import RepoFile
from aibom.findings import Finding
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource


class Budget(Struct):
    """What one target's containers may still cost: members and expanded bytes, shared over all nesting levels."""

    members: int
    expanded_bytes: int

    @classmethod
    def of(cls, limits: Limits) -> Budget:
        """Start with what the limits allow."""
        return cls(members=limits.container_members, expanded_bytes=limits.expanded_bytes)

    def take(self, *, members: int = 0, expanded: int = 0) -> None:
        """Spend.

        Raises:
            LimitExceeded: there is not enough left.
        """
        if members > self.members:
            raise LimitExceeded("the containers of this target hold more members than the limit allows")
        if expanded > self.expanded_bytes:
            raise LimitExceeded("the containers of this target expand to more bytes than the limit allows")
        self.members -= members
        self.expanded_bytes -= expanded


class Member(Struct, frozen=True, kw_only=True):
    """A file in a container. `name` is an escaped POSIX name, as it stands there (it may climb: that is a finding).

    `open` gives its bytes; it may raise `MalformedFile`, `LimitExceeded` or OSError. `size` is the expanded size the
    container declares (or what was found, where the format declares none).
    """

    name: str
    size: int
    open: Callable[[], ByteSource]


class Container(Protocol):
    """An opened container. `findings` are complete once `members` has been run through."""

    findings: list[Finding]
    complete: bool

    def members(self) -> Iterator[Member]:
        """Yield the members; raises `MalformedFile` or `LimitExceeded` at the first fault that ends the listing."""
        ...


class OpenedContainer(Struct):
    """A container whose members are known as an iterator."""

    iterator: Iterator[Member]
    findings: list[Finding] = field(default_factory=list)
    complete: bool = True

    def members(self) -> Iterator[Member]:
        """Yield the members."""
        return self.iterator


Opener = Callable[[RepoFile, ByteSource, Limits, Budget], Container]

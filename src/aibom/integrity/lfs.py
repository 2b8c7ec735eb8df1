"""Git-LFS pointers, met with the content that they name where the target holds it under another name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aibom.components import Inspection, SignatureStatus, Verification
from aibom.digests import FileDigests
from aibom.files import Format
from aibom.findings import Evidence

LFS_POINTER = "lfs-pointer"


def find_content(inspections: tuple[Inspection, ...], digested: Mapping[str, FileDigests]) -> Iterator[Verification]:
    """Yield a verification for every pointer whose content stands elsewhere in the target.

    That a pointer stands where content should be is the finding of its inspector.
    """
    pointers = [item for item in inspections if item.file.format is Format.LFS_POINTER and not item.file.members]
    if not pointers:
        return
    places = {digest.value: path for path, found in digested.items() for digest in found.digests}
    for item in pointers:
        oid = str(item.metadata.get("oid", "")).removeprefix("sha256:")
        path = places.get(oid)
        if path is None or digested[path].size != item.metadata.get("size", digested[path].size):
            continue
        place = item.file.at()
        yield Verification(
            kind=LFS_POINTER,
            status=SignatureStatus.CHECKSUM_OK,
            location=place,
            covered=(path,),
            evidence=(Evidence(statement=f"the pointer names the content that stands in {path}", location=place),),
        )

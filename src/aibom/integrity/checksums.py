"""Checksum files (`SHA256SUMS`, `model.bin.sha256` ...) and digests in model cards. They prove no origin.

Whoever can change the model can change the list beside it, so what comes of this is `checksum-ok`, never "signed".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from aibom.components import SignatureStatus
from aibom.files import Format, RepoFile, Role, escape_name
from aibom.findings import Evidence
from aibom.integrity.claims import HEX_LENGTHS, Claim, Manifest, Resource, is_plain
from aibom.limits import Limits
from aibom.resolvers.documents import read_text
from aibom.sources.bytesource import ByteSource

CHECKSUM_FILE = "checksum-file"
CARD_DIGEST = "card-digest"
_BY_LENGTH = {64: "sha256", 96: "sha384", 128: "sha512"}
_ENDINGS = {"sha256": "sha256", "sha256sum": "sha256", "sha384": "sha384", "sha512": "sha512", "sha512sum": "sha512",
            "b2": "blake2b", "b2sum": "blake2b", "blake2b": "blake2b", "b3": "blake3", "b3sum": "blake3",
            "blake3": "blake3"}  # fmt: skip
_NAME = re.compile(r"(?:(?P<sums>sha256|sha384|sha512|b2|b3)sums?|checksums?)(?:\.txt)?|.+\.(?P<ending>[a-z0-9]+)")
# coreutils: a backslash in front says that the name is escaped; `*` marks binary mode.
_GNU = re.compile(r"(?P<escaped>\\?)(?P<hex>[0-9a-fA-F]{64,128}) [ *](?P<name>\S.*)")
_BSD = re.compile(r"(?P<algorithm>SHA256|SHA384|SHA512|BLAKE2b|BLAKE3) \((?P<name>.+)\) = (?P<hex>[0-9a-fA-F]{64,128})")
_ALONE = re.compile(r"\s*(?P<hex>[0-9a-fA-F]{64,128})\s*")
_HEX64 = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_WORD = re.compile(r"[\w./+-]{3,200}")
_UNESCAPED = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}


def is_checksum_file(file: RepoFile) -> bool:
    """Say whether a file lists digests: by content, or by a name that says so."""
    if file.format is Format.SHA256SUMS:
        return True
    match = _NAME.fullmatch(file.name.lower())
    named = match is not None and (match["ending"] is None or match["ending"] in _ENDINGS)
    return named and file.format in {Format.TEXT, Format.UNKNOWN} and file.role is not Role.WEIGHTS


def read_checksums(file: RepoFile, data: ByteSource, limits: Limits) -> Claim | None:
    """Return what a checksum file states; None where no line of it is a checksum. OSError passes through."""
    if data.size > limits.json_bytes:
        place = Evidence(statement=f"{data.size} bytes, limit {limits.json_bytes}", location=file.at())
        return Claim(kind=CHECKSUM_FILE, file=file, status=SignatureStatus.ERROR, evidence=(place,))
    text = read_text(file.path, data, limits.json_bytes).text
    found = tuple(_lines(text, file.name))
    return _claim(CHECKSUM_FILE, file, found) if found else None


def _lines(text: str, own_name: str) -> Iterator[Resource]:
    default = _algorithm_of(own_name)
    alone = _ALONE.fullmatch(text)
    if alone:
        # The whole file is a digest: it speaks of the file that it is named after.
        algorithm = default or _BY_LENGTH.get(len(alone["hex"]))
        subject = own_name.rpartition(".")[0]
        if algorithm and subject and len(alone["hex"]) == HEX_LENGTHS[algorithm]:
            yield Resource(name=subject, algorithm=algorithm, digest=alone["hex"].lower())
        return
    for line in text.splitlines():
        match = _GNU.fullmatch(line) or _BSD.fullmatch(line)
        if match is None:
            continue
        groups = match.groupdict()
        algorithm = (groups.get("algorithm") or default or _BY_LENGTH.get(len(match["hex"])) or "").lower()
        name = match["name"]
        if groups.get("escaped"):
            name = re.sub(r"\\[\\nr]", lambda found: _UNESCAPED[found[0]], name)
        name = name.removeprefix("./")
        # What climbs out of the folder or is absolute speaks of files that are none of this target's.
        if algorithm in HEX_LENGTHS and len(match["hex"]) == HEX_LENGTHS[algorithm] and is_plain(name):
            yield Resource(name=escape_name(name.encode()), algorithm=algorithm, digest=match["hex"].lower())


def _algorithm_of(name: str) -> str | None:
    match = _NAME.fullmatch(name.lower())
    if match is None:
        return None
    sums = match["sums"]
    return _ENDINGS.get(sums or match["ending"] or "")


def read_card_digests(file: RepoFile, data: ByteSource, limits: Limits, files: Mapping[str, RepoFile]) -> Claim | None:
    """Return the SHA-256 digests that a card states for files by name: one name and one digest on a line.

    OSError passes through.
    """
    text = read_text(file.path, data, limits.text_bytes).text
    folder = file.path[: file.path.rfind("/") + 1]
    found: dict[str, Resource | None] = {}
    for line in text.splitlines():
        digests = set(_HEX64.findall(line))
        if len(digests) != 1 or len(line) > 4096:
            continue
        names = {word for word in _WORD.findall(line) if folder + word in files}
        if len(names) == 1:
            name = names.pop()
            item = Resource(name=name, algorithm="sha256", digest=digests.pop().lower())
            # A card that lists several digests for one name speaks of several revisions.
            found[name] = item if found.get(name, item) == item else None
    resources = tuple(item for item in found.values() if item is not None)
    return _claim(CARD_DIGEST, file, resources) if resources else None


def _claim(kind: str, file: RepoFile, resources: Iterable[Resource]) -> Claim:
    unique: dict[tuple[str, str], Resource] = {}
    for item in resources:
        unique.setdefault((item.name, item.algorithm), item)
    manifest = Manifest(resources=tuple(unique.values()))
    return Claim(kind=kind, file=file, status=SignatureStatus.CHECKSUM_OK, manifest=manifest)

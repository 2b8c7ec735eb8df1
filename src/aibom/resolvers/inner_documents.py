"""Documents inside a model's containers (.nemo, .dduf, .mar, archives): read as a repository of their own.

What they say of lineage and license is the model's, with the members that lead to the place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Inspection
from aibom.errors import AibomError, FileFault, MalformedFile
from aibom.files import Coverage, Format, Location, RepoFile, Role
from aibom.findings import Evidence, Finding
from aibom.resolvers.layouts import Layout, find_models
from aibom.resolvers.license_claims import Terms, collect_terms
from aibom.resolvers.license_files import LicenseFile
from aibom.resolvers.lineage_claims import collect_claims
from aibom.resolvers.lineage_records import BaseClaim
from aibom.resolvers.model_card import read_card
from aibom.resolvers.repository import Repository
from aibom.sources.archive import ArchiveSource, open_archive
from aibom.sources.bytesource import ByteSource
from aibom.sources.protocol import Entry

_ARCHIVES = frozenset({Format.ZIP, Format.TAR, Format.NEMO, Format.TORCHSERVE_MAR, Format.SEVEN_ZIP})
_COMPRESSED = frozenset({Format.GZIP, Format.BZIP2, Format.XZ, Format.LZMA, Format.ZSTD, Format.LZ4})
_TELLING = re.compile(
    r"(^|/)(readme\.md|licen[cs]e[^/]*|copying[^/]*|notice[^/]*|[^/]*policy[^/]*\.(md|txt)|config\.json|model_index\.json|"
    r"adapter_config\.json|modules\.json|meta\.json|mlmodel|manifest\.json|model_config\.ya?ml|mergekit_config\.ya?ml|"
    r"model_card_data\.ya?ml|modelfile|kitfile)$",
    re.IGNORECASE,
)
_MOST_CONTAINERS = 20
_MOST_MEMBERS = 20_000


class InnerDocuments(Struct, frozen=True, kw_only=True):
    """What the documents inside a model's containers say, placed where they stand."""

    claims: tuple[BaseClaim, ...] = ()
    terms: Terms | None = None
    findings: tuple[Finding, ...] = ()


def read_inner_documents(repository: Repository, layout: Layout) -> InnerDocuments:
    """Read the documents inside the containers that hold this model's weights.

    A container that holds several unrelated models says nothing of the one.
    """
    paths = dict.fromkeys(file.path for file in layout.files)
    found = [
        said
        for path in [path for path in paths if _tells(repository, path)][:_MOST_CONTAINERS]
        if (said := _read(repository, path)) is not None
    ]
    terms = [item.terms for item in found if item.terms is not None]
    return InnerDocuments(
        claims=tuple(claim for item in found for claim in item.claims),
        terms=_joined(terms) if terms else None,
        findings=tuple(finding for item in found for finding in item.findings),
    )


def with_inner(terms: Terms, inner: InnerDocuments) -> Terms:
    """Return the terms with those from inside containers after them."""
    return _joined([terms, inner.terms]) if inner.terms is not None else terms


def _joined(all_terms: Sequence[Terms]) -> Terms:
    return Terms(
        claims=tuple(claim for terms in all_terms for claim in terms.claims),
        files=tuple(file for terms in all_terms for file in terms.files),
        policies=tuple(path for terms in all_terms for path in terms.policies),
        notices=tuple(path for terms in all_terms for path in terms.notices),
        unread=tuple(path for terms in all_terms for path in terms.unread),
        territories=tuple(evidence for terms in all_terms for evidence in terms.territories),
    )


def _tells(repository: Repository, path: str) -> bool:
    """Say whether a container is worth opening again: inspection saw a document in it.

    What has to be expanded whole is opened again only where inspection came to its end within the limits, which hold
    for all containers of a target together.
    """
    outer = repository.inspection(path)
    members = repository.members(path)
    if outer is None or not members:
        return False
    if outer.file.format in _COMPRESSED and outer.coverage is not Coverage.COMPLETE:
        return False
    return outer.file.format is Format.TORCHSERVE_MAR or (
        outer.file.format in _ARCHIVES | _COMPRESSED and any(_TELLING.search(item.file.members[-1]) for item in members)
    )


def _read(repository: Repository, path: str) -> InnerDocuments | None:
    try:
        with _opened(repository, path) as opened:
            inner, above = opened
            layouts = find_models(inner)
            if len(layouts) != 1:
                return None
            (layout,) = layouts
            reading = read_card(inner)
            if reading.card is None and layout.folder:
                reading = read_card(inner, layout.folder)
            claims = [*collect_claims(inner, layout, reading.card), *_in_parts(inner, layout)]
            terms = collect_terms(inner, layout, reading.card, None)
            findings = (*reading.findings, *inner.findings)
    except (AibomError, FileFault, OSError):
        return None  # inspection has said what is wrong with the container
    place = _Place(path, above)
    return InnerDocuments(
        claims=tuple(replace(claim, evidence=place.evidence(claim.evidence)) for claim in claims),
        terms=place.terms(terms),
        findings=tuple(replace(item, location=item.location and place.location(item.location)) for item in findings),
    )


def _in_parts(inner: Repository, layout: Layout) -> Iterator[BaseClaim]:
    """The transformer of a packed pipeline says what it came from, as that of an unpacked one does."""
    for part in layout.parts:
        yield from collect_claims(inner, part, None)


@contextmanager
def _opened(repository: Repository, path: str) -> Iterator[tuple[Repository, tuple[str, ...]]]:
    """Yield the members of a container as a repository, and the members above them, while the container is open."""
    outer = repository.inspection(path)
    assert outer is not None
    with repository.open(path) as data, ExitStack() as later:
        source, above = _source(repository, outer.file, data)
        later.callback(source.close)
        source.keep_folder = True
        seen = {
            item.file.members[len(above)]: item
            for item in repository.members(path)
            if item.file.members[: len(above)] == above and len(item.file.members) == len(above) + 1
        }
        inspections: list[Inspection] = []
        for entry in source.entries():
            if len(inspections) >= _MOST_MEMBERS:
                break
            if isinstance(entry, Entry) and entry.fault is None:
                inspections.append(_inspection(entry, seen.get(entry.path)))
        yield Repository(source, inspections, repository.limits), above


def _source(repository: Repository, file: RepoFile, data: ByteSource) -> tuple[ArchiveSource, tuple[str, ...]]:
    if file.format in _COMPRESSED:
        archive = open_archive(file.path, data, repository.limits)
        if archive is None:
            raise MalformedFile("what is compressed is no archive")
        # A compressed tar is the only member of what compresses it.
        return archive, repository.members(file.path)[0].file.members[:1]
    return _Documents(file, data, repository.limits), ()


class _Documents(ArchiveSource):
    """An archive of which only what is small enough for a document is opened, whatever it is called."""

    def open(self, path: str) -> ByteSource:
        if path in self._members and self._members[path].size > self._limits.text_bytes:
            raise OSError(27, "too large for a document", path)
        return super().open(path)


def _inspection(entry: Entry, seen: Inspection | None) -> Inspection:
    if seen is None:
        file = RepoFile(path=entry.path, size=entry.size, format=Format.UNKNOWN, role=Role.OTHER)
        return Inspection(file=file, coverage=Coverage.NONE)
    return replace(seen, file=replace(seen.file, path=entry.path, members=()))


class _Place(Struct, frozen=True):
    """Where the documents stand: the container's path, and the members between it and them."""

    path: str
    above: tuple[str, ...]

    def location(self, inner: Location) -> Location:
        return replace(inner, path=self.path, members=(*self.above, inner.path, *inner.members))

    def evidence(self, inner: Evidence) -> Evidence:
        return replace(inner, location=inner.location and self.location(inner.location))

    def terms(self, inner: Terms) -> Terms:
        return Terms(
            claims=tuple(replace(claim, evidence=self.evidence(claim.evidence)) for claim in inner.claims),
            files=tuple(self._file(file) for file in inner.files),
            policies=inner.policies,
            notices=inner.notices,
            unread=tuple(str(self.location(Location(path=path))) for path in inner.unread),
            territories=tuple(self.evidence(evidence) for evidence in inner.territories),
        )

    def _file(self, file: LicenseFile) -> LicenseFile:
        return replace(file, path=self.path, members=(*self.above, file.path, *file.members))

"""Follow base models to the root: what their own repositories say where they may be opened, else what is known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Derivation, Inspection, LicenseClaim, ModelFacts
from aibom.data.known_bases import STATE, canonical, known
from aibom.errors import AibomError
from aibom.files import Coverage, Digest, Format, RepoFile, Role
from aibom.findings import Evidence
from aibom.limits import Limits
from aibom.resolvers.hub_names import ModelName, parse_name
from aibom.resolvers.layouts import Layout, Marker
from aibom.resolvers.license_claims import collect_terms
from aibom.resolvers.license_flow import Edge, Node
from aibom.resolvers.license_names import rows_of
from aibom.resolvers.lineage import Base, resolve_lineage
from aibom.resolvers.model_card import read_card
from aibom.resolvers.repository import Repository
from aibom.sources.protocol import Entry, Source

log = logging.getLogger("aibom.resolvers.ancestry")

OpenRelated = Callable[[str], Source | None]

_MAX_OPENED = 20
_MAX_DEPTH = 12
_MAX_ENTRIES = 20_000


class Ancestor(Struct, frozen=True, kw_only=True):
    """A model that others were made from: its license as claimed there, and its own bases."""

    name: ModelName
    claims: tuple[LicenseClaim, ...] = ()
    bases: tuple[Base, ...] = ()
    digests: frozenset[str] = frozenset()
    """SHA-256 of its large files, as its own repository's listing declares them; empty where that was not asked."""


class Ancestry:
    """The ancestors met so far, each looked up once. Opens at most a set number of other repositories."""

    def __init__(self, open_related: OpenRelated, limits: Limits) -> None:
        self._open = open_related
        self._limits = limits
        self._left = _MAX_OPENED
        self._found: dict[str, Ancestor] = {}

    def ancestor(self, name: ModelName) -> Ancestor:
        """Return what is known of a model."""
        if name.key not in self._found:
            self._found[name.key] = self._from_source(name) or _from_table(name)
        return self._found[name.key]

    def learn(self, name: ModelName, bases: Sequence[Base]) -> None:
        """Take over what a target says of an ancestor's own bases, where nothing else is known of them."""
        found = self.ancestor(name)
        if bases and not found.bases:
            self._found[name.key] = replace(found, bases=resolved(bases))

    def node(self, name: ModelName, above: frozenset[str] = frozenset()) -> Node:
        """Return an ancestor as license rules see it, with everything above it."""
        found = self.ancestor(name)
        seen = above | {name.key}
        parents = [
            Edge(parent=self.node(base.name, seen), operation=base.derivation, stated=not base.inferred)
            for base in found.bases
            if base.name.key not in seen and len(seen) < _MAX_DEPTH
        ]
        rows = {row.key: row for claim in found.claims for row in rows_of(claim)}
        return Node(name=found.name.id, licenses=tuple(rows.values()), parents=tuple(parents))

    def _from_source(self, name: ModelName) -> Ancestor | None:
        """Ask the repository itself, where the caller allows that."""
        if name.kind != "hub" or self._left <= 0:
            return None
        self._left -= 1
        target = f"hf://{name.id}@{name.revision}" if name.revision else f"hf://{name.id}"
        try:
            source = self._open(target)
        except (AibomError, OSError) as error:
            log.info("%s: %s", target, error)
            return None
        if source is None:
            return None
        try:
            return self._read(name, source)
        except (AibomError, OSError) as error:
            log.info("%s: %s", target, error)
            return None
        finally:
            source.close()

    def _read(self, name: ModelName, source: Source) -> Ancestor:
        listed = _listed(source)
        repository = Repository(source, listed, self._limits)
        card = read_card(repository).card
        layout = Layout(folder="", label="", marker=Marker(library=None))
        revision = source.revision or name.revision
        claims = collect_terms(repository, layout, card, source.facts()).claims
        lineage = resolve_lineage(repository, layout, card=card, facts=ModelFacts(), identity=name.id)
        return Ancestor(
            name=replace(name, revision=revision),
            claims=claims,
            bases=resolved(lineage.bases),
            digests=frozenset(digest for item in listed for digest in sha256_of(item.file.declared_digests)),
        )


def sha256_of(digests: Iterable[Digest]) -> Iterator[str]:
    """Yield the SHA-256 digests among these."""
    return (digest.value for digest in digests if digest.algorithm == "sha256")


def resolved(bases: Sequence[Base]) -> tuple[Base, ...]:
    """Give bases named in the old way, without an owner, the name that they have now."""
    return tuple(replace(base, name=with_owner(base.name)) for base in bases)


def with_owner(name: ModelName, kind: str = "model") -> ModelName:
    """Return the full id of a name that the hub has moved under an owner."""
    if name.kind == "name" and "/" in (full := canonical(name.name, kind)):
        parsed = parse_name(full)
        return replace(parsed, revision=name.revision) if parsed else name
    return name


def _listed(source: Source) -> list[Inspection]:
    """List a related repository without looking into its weights."""
    found = []
    for number, entry in enumerate(source.entries()):
        if number >= _MAX_ENTRIES:
            break
        if not isinstance(entry, Entry) or entry.fault is not None:
            continue
        file = RepoFile(
            path=entry.path,
            size=entry.size,
            format=Format.UNKNOWN,
            role=Role.OTHER,
            declared_digests=entry.declared_digests,
        )
        found.append(Inspection(file=file, coverage=Coverage.NONE))
    return found


_RELATIONS: Mapping[str, Derivation] = {item.value: item for item in Derivation}


def _from_table(name: ModelName) -> Ancestor:
    """Say what the table of known models says, with its date."""
    entry = known(name.id) if name.kind == "hub" else None
    if entry is None:
        return Ancestor(name=name)
    source = f"known models {STATE}"
    claims = []
    if entry.license is not None:
        claims.append(
            LicenseClaim(
                raw=entry.license.name,
                basis="declared",
                expression=entry.license.expression,
                key=entry.license.key,
                evidence=Evidence(statement=f"{entry.name} is under {entry.license.name}", source=source),
            )
        )
    bases = []
    base = parse_name(entry.base) if entry.base else None
    if base is not None and entry.relation and base.key != name.key:
        evidence = Evidence(statement=f"{entry.name}: {entry.relation} of {entry.base}", source=source)
        bases.append(Base(name=base, derivation=_RELATIONS[entry.relation], inferred=False, evidence=(evidence,)))
    return Ancestor(name=name, claims=tuple(claims), bases=tuple(bases))


def dataset_claims(name: ModelName) -> tuple[LicenseClaim, ...]:
    """Return the license that the table knows for a dataset."""
    entry = known(name.id, "dataset") if name.kind == "hub" else None
    if entry is None or entry.license is None:
        return ()
    evidence = Evidence(statement=f"{entry.name} is under {entry.license.name}", source=f"known models {STATE}")
    return (
        LicenseClaim(
            raw=entry.license.name,
            basis="declared",
            expression=entry.license.expression,
            key=entry.license.key,
            evidence=evidence,
        ),
    )

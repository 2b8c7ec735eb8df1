"""Name the target: by its place on a hub, by what the user says, else by its directory."""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Basis, Fact
from aibom.findings import Evidence
from aibom.report import SourceFacts
from aibom.resolvers.hub_names import parse_name, purl_of
from aibom.settings import Identity

_COMMIT = re.compile(r"[0-9a-f]{40}$")


class Subject(Struct, frozen=True, kw_only=True):
    """Who the target is: on a hub, by what the user says, else by the name of its directory."""

    name: str
    group: str | None = None
    version: str | None = None
    purl: str | None = None
    supplier: Fact[str] | None = None
    evidence: Evidence

    @property
    def id(self) -> str | None:
        """`owner/name` where the owner is known."""
        return f"{self.group}/{self.name}" if self.group else None


def identify(target: str, facts: SourceFacts, identity: Identity) -> Subject:
    """Name the target. What stands in its configuration files is never taken for its own name."""
    known = parse_name(facts.identity) if facts.identity else None
    supplier = None
    if identity.supplier:
        evidence = Evidence(statement="given by the user", source="operator")
        supplier = Fact(value=identity.supplier, basis=Basis.DECLARED, evidence=evidence)
    if known is not None and known.kind == "hub":
        commit = facts.revision if facts.revision and _COMMIT.match(facts.revision) else None
        name = replace(known, revision=commit)
        evidence = Evidence(statement=f"repository {known.id}", source=facts.kind)
        return Subject(
            name=known.name,
            group=known.group,
            version=identity.version or commit,
            purl=identity.purl or purl_of(name),
            supplier=supplier or Fact(value=known.group or "", basis=Basis.DECLARED, evidence=evidence),
            evidence=evidence,
        )
    if identity.name or identity.purl:
        return _named_by_user(identity, supplier)
    leaf = target.rstrip("/").rpartition("/")[2]
    name_ = re.sub(r"[^\w.+\- ]", "_", leaf).strip("._ ")[:120] or "model"
    version = facts.revision if facts.revision and _COMMIT.match(facts.revision) else None
    evidence = Evidence(statement="the name of the directory or file", source=facts.kind)
    return Subject(name=name_, version=identity.version or version, supplier=supplier, evidence=evidence)


def _named_by_user(identity: Identity, supplier: Fact[str] | None) -> Subject:
    from packageurl import PackageURL  # noqa: PLC0415 -- start-up time

    purl = PackageURL.from_string(identity.purl) if identity.purl else None
    owner, _, name = (identity.name or "").rpartition("/")
    return Subject(
        name=name or (purl.name if purl else "model"),
        group=owner or (purl.namespace if purl else None) or None,
        version=identity.version or (purl.version if purl else None),
        purl=identity.purl,
        supplier=supplier,
        evidence=Evidence(statement="given by the user", source="operator"),
    )

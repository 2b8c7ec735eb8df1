"""Report known faults of the software that a target asks for, and faults of loaders that its files would reach."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

from msgspec import Struct

from aibom.components import Inspection
from aibom.data.tables import load_rows
from aibom.files import Format, Location
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.resolvers.dependencies import Dependency, ref_of
from aibom.resolvers.documents import mapping
from aibom.resolvers.osv import Advisory
from aibom.resolvers.remote_code import kernel_repositories
from aibom.resolvers.repository import Repository, name_of

KNOWN_VULNERABILITY = Rule(
    id="known-vulnerability",
    subject=Subject.LIBRARIES,
    severity=Severity.MEDIUM,
    summary="A pinned dependency has a known vulnerability",
    explanation=(
        "A file of the target pins a library to a version for which an advisory exists. Whoever installs what the "
        "target asks for installs that version."
    ),
    help="Pin a version in which the fault is mended, or judge the advisory for your use and ignore it with a reason.",
    references=("https://osv.dev",),
    cwes=(1395,),
)
LOADER_ADVISORY = Rule(
    id="loader-advisory",
    subject=Subject.LIBRARIES,
    severity=Severity.HIGH,
    summary="The files reach a known fault of their loader",
    explanation=(
        "The target holds what a known fault of a loader needs: a pickle, a reference to custom code, a Keras archive, "
        "a chat template. With an affected version, loading the files may run code that no setting holds back."
    ),
    help="Load the files only with a version in which the fault is mended.",
    references=("https://osv.dev",),
    cwes=(1395,),
)

Lookup = Callable[[str, str, str], Iterable[Advisory]]
"""Takes a purl type, a name and a version; returns what the version is affected by."""

_PICKLED = frozenset({
    Format.PICKLE, Format.PYTORCH_ZIP, Format.PYTORCH_LEGACY, Format.PYTORCH_TAR, Format.JOBLIB,
})  # fmt: skip
# The version ranges of PEP 440 that the table needs. `packaging` knows them all, but takes 8 ms to import, which only a
# target that pins such a loader should pay.
_BOUND = r"(?:[<>]=?|[=!]=)\d+(?:\.\d+)*(?:rc\d+)?"
_RANGE = re.compile(rf"{_BOUND}(?:,{_BOUND})*")
# What few models have and every user of an affected loader should know: said even where no version is pinned.
_RARE = frozenset({"auto-map", "kernel-repository"})


class LoaderFault(Struct, frozen=True, kw_only=True):
    """A row of `advisories.csv`."""

    id: str
    package: str
    affected: str
    feature: str
    severity: Severity
    summary: str
    source: str


@cache
def loader_faults() -> tuple[LoaderFault, ...]:
    """Load the table once.

    Raises:
        DataError: it is not what this module expects.
    """
    columns = ("id", "package", "affected", "feature", "severity", "summary", "source")
    found = []
    for row in load_rows("advisories.csv", columns, required=[name for name in columns if name != "affected"]):
        if row["affected"] and not _RANGE.fullmatch(row["affected"]):
            row.fail(f"{row['affected']!r} is no version range")
        if not re.fullmatch(r"(CVE|GHSA|PYSEC)-[\w-]+", row["id"]):
            row.fail(f"{row['id']!r} is no id of an advisory")
        severity = Severity(row.one_of("severity", tuple(Severity)))
        feature = row.one_of("feature", FEATURES)
        found.append(
            LoaderFault(
                id=row["id"],
                package=row["package"],
                affected=row["affected"],
                feature=feature,
                severity=severity,
                summary=row["summary"],
                source=row["source"],
            )
        )
    return tuple(found)


FEATURES = (
    "pickle", "rng-state", "auto-map", "kernel-repository", "keras-v3", "keras-h5", "gguf-template",
)  # fmt: skip


def resolve_advisories(
    repository: Repository, dependencies: Sequence[Dependency], lookup: Lookup | None
) -> tuple[Finding, ...]:
    """Return faults of pinned libraries (where a snapshot is given), and of loaders that the files reach."""
    findings = [*_loader_findings(repository, dependencies)]
    said = {(finding.component, word) for finding in findings for word in finding.evidence}
    if lookup is not None:
        for item in dependencies:
            if item.version:
                findings.extend(_known(item, lookup, said))
    return tuple(findings)


def _known(item: Dependency, lookup: Lookup, said: set[tuple[str | None, str]]) -> Iterator[Finding]:
    assert item.version is not None
    place = next((evidence.location for evidence in item.evidence), None)
    for advisory in lookup(item.ecosystem, item.name, item.version):
        ids = (advisory.id, *advisory.aliases)
        # One fault may be in several packages: only what was said of this one has been said.
        if said & {(ref_of(item), word) for word in ids}:
            continue
        name = next((word for word in ids if word.startswith("CVE-")), advisory.id)
        mended = f"; mended in {', '.join(advisory.fixed)}" if advisory.fixed else ""
        message = f"{name}: {item.name} {item.version}: {advisory.summary}{mended}"
        yield Finding.of(
            KNOWN_VULNERABILITY,
            message,
            place,
            severity=advisory.severity,
            evidence=ids,
            component=ref_of(item),
            advisory=name,
        )


def _loader_findings(repository: Repository, dependencies: Sequence[Dependency]) -> Iterator[Finding]:
    features = dict(_features(repository))
    by_name: dict[str, list[Dependency]] = {}
    for item in dependencies:
        by_name.setdefault(item.name, []).append(item)
    for fault in loader_faults():
        path = features.get(fault.feature)
        if path is None:
            continue
        pinned = [item for item in by_name.get(fault.package, ()) if item.version]
        evidence = (fault.id, fault.source)
        if pinned:
            for item in pinned:
                if _in(item.version or "", fault.affected):
                    message = f"{fault.id}: {fault.summary}; {fault.package} is pinned to {item.version}"
                    yield Finding.of(
                        LOADER_ADVISORY,
                        message,
                        Location(path=path),
                        severity=fault.severity,
                        evidence=evidence,
                        component=ref_of(item),
                        advisory=fault.id,
                    )
        elif fault.feature in _RARE:
            message = f"{fault.id}: {fault.summary} in {fault.package} {fault.affected}"
            yield Finding.of(
                LOADER_ADVISORY,
                message,
                Location(path=path),
                severity=Severity.INFO,
                evidence=evidence,
                advisory=fault.id,
            )


def _in(version: str, affected: str) -> bool:
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 -- start-up time
    from packaging.version import InvalidVersion  # noqa: PLC0415

    try:
        return SpecifierSet(affected).contains(version, prereleases=True)
    except InvalidVersion:
        return False


def _features(repository: Repository) -> Iterator[tuple[str, str]]:
    """Yield what loaders' faults need, with the first file that has it."""
    found: dict[str, str] = {}
    for item in repository.inspections:
        for feature in _of_file(item):
            found.setdefault(feature, item.file.path)
    for path in repository.paths():
        if name_of(path) == "config.json":
            config = mapping(repository.json(path))
            if mapping(config.get("auto_map")):
                found.setdefault("auto-map", path)
            if kernel_repositories(config):
                found.setdefault("kernel-repository", path)
    yield from found.items()


def _of_file(item: Inspection) -> Iterator[str]:
    metadata: Mapping[str, object] = item.metadata
    if item.file.format in _PICKLED:
        yield "pickle"
        if re.match(r"rng_state.*\.pth$", item.file.name):
            yield "rng-state"
    if item.file.format is Format.KERAS_V3:
        yield "keras-v3"
    if item.file.format is Format.KERAS_H5:
        yield "keras-h5"
    if item.file.format is Format.GGUF and any(key.startswith("tokenizer.chat_template") for key in metadata):
        yield "gguf-template"


RULES = (KNOWN_VULNERABILITY, LOADER_ADVISORY)

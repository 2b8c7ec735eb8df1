"""The flow, once, from a source to a report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from threading import Lock

from msgspec import Struct
from msgspec.structs import replace

from aibom._version import __version__
from aibom.assessors.ignores import apply_ignores
from aibom.assessors.policy import check_policy
from aibom.cache.memory import Memory
from aibom.cache.store import Store
from aibom.components import Inspection, ReferenceKind, Resolution
from aibom.containers import CONTAINERS
from aibom.data import rule_data
from aibom.digests import digest_files, root_digest
from aibom.errors import TargetError
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.inspection import Inspectors
from aibom.inspectors import INSPECTORS
from aibom.inspectors.protocol import Inspector
from aibom.integrity.checking import gather, tensor_roots, verify, with_tensor_digests
from aibom.integrity.listed import compare_listed
from aibom.inventory import Inventory, take_inventory
from aibom.report import Report, ToolInfo
from aibom.resolvers.osv import Snapshot
from aibom.resolvers.publish_check import PublishCheck, check_before_publishing
from aibom.resolvers.redaction import redacted
from aibom.settings import Settings
from aibom.sources.protocol import Source


class Progress(Struct, frozen=True, kw_only=True):
    """A step of a scan: `done` of `total` bytes of `file` in this stage (`inspect` or `digest`)."""

    stage: str
    file: RepoFile
    done: int
    total: int


_RAW = frozenset({Format.UNKNOWN, Format.ONNX_EXTERNAL_DATA})
OnProgress = Callable[[Progress], None]


def ignore(_: Progress) -> None:
    """Show no progress."""


def scan(
    source: Source,
    settings: Settings,
    *,
    created: dt.datetime,
    on_progress: OnProgress = ignore,
    inspectors: Mapping[Format, Inspector] = INSPECTORS,
    open_related: Callable[[str], Source | None] = lambda _: None,
    cache: Store | None = None,
    advisories: Snapshot | None = None,
) -> Report:
    """Scan a target. `created` stands in the report; `open_related` opens other models that the target names.

    `cache` remembers what was read of unchanged files; it is not used with other inspectors than our own. `advisories`
    knows the faults of libraries that the target pins; its date stands in the report's rule data as `osv`.

    Raises:
        TargetError: the target is empty or can't be listed.
    """
    inventory = take_inventory(source, settings.limits)
    if not inventory.files and not inventory.unread:
        raise TargetError(f"{source.target} has no files", hint="give a directory that holds a model, or one file")
    memory = Memory(cache, inventory.stamps, settings) if cache and inspectors is INSPECTORS else None
    tree = Inspectors(inspectors, CONTAINERS, settings.limits)
    inspections = _external_data(tuple(_inspect(source, inventory, tree, memory, on_progress)))
    # What lies elsewhere is not moved here for its digest alone, unless the user asks for that.
    here = inventory.files if settings.download or not source.remote else ()
    # Signatures are checked before the files are read: what they list decides which digests the one read has to give.
    gathered = gather(source, inspections, settings, created)
    on_bytes = _digest_progress(inventory, on_progress)
    digested = memory.digests(here, gathered, settings.trust) if memory else {}
    unread = []
    for file in here:
        if file.path in digested:
            on_bytes(file, file.size)
        else:
            unread.append(file)
    digested |= digest_files(source, unread, gathered.plan, settings, on_bytes, meanwhile=_fetch_judges)
    if memory and memory.contradicts(digested):
        return scan(
            source,
            settings,
            created=created,
            on_progress=on_progress,
            open_related=open_related,
            advisories=advisories,
        )
    if settings.tensor_digests:
        inspections = with_tensor_digests(source, inspections, digested, settings.limits)
    digests = {
        file.path: (*(digested[file.path].digests if file.path in digested else ()), *file.declared_digests)
        for file in inventory.files
    }
    if memory:
        memory.keep(digested, gathered.plan)
    root = root_digest(digests)
    verifications, integrity_findings = verify(source, inspections, digested, gathered, settings)
    facts = source.facts()
    lookup = advisories.lookup if advisories else None
    # Imported here, or while the files were read.
    from aibom.assessors.assessing import assess  # noqa: PLC0415
    from aibom.resolvers.resolving import resolve  # noqa: PLC0415

    resolved = resolve(source, inspections, open_related, settings, facts, advisories=lookup, digests=digests)
    resolution = _versioned(resolved, root)
    assessment = assess(resolution, inspections, verifications, settings, facts, day=created.date())
    given_away = PublishCheck()
    if settings.publish_check:
        given_away = check_before_publishing(source, inspections, settings.limits)
    findings = (
        *inventory.findings,
        *(finding for inspection in inspections for finding in inspection.findings),
        *compare_listed(here, digested, inventory.stamps),
        *integrity_findings,
        *resolution.findings,
        *assessment.findings,
        *given_away.findings,
        *check_policy(settings.policy, inspections, resolution, assessment.determinations),
    )
    report = Report(
        target=source.target,
        created=created,
        tool=ToolInfo(name="aibom", version=__version__),
        settings=replace(settings, trust=settings.trust.recorded()),
        source=facts,
        root_digest=root,
        # Findings stand once, in the report's own list, where ignores have been applied.
        inspections=tuple(replace(inspection, findings=()) for inspection in inspections),
        digests=digests,
        resolution=resolution,
        skipped=inventory.skipped,
        verifications=verifications,
        tensor_roots=tensor_roots(inspections) if settings.tensor_digests else (),
        determinations=assessment.determinations,
        checklist=assessment.checklist,
        findings=tuple(sorted(apply_ignores(findings, digests, settings), key=lambda finding: finding.sort_key)),
        rule_data={**rule_data(), **assessment.rule_data, **({"osv": advisories.date} if advisories else {})},
    )
    return redacted(report, given_away.secrets)


def _fetch_judges() -> None:
    """Import what judges the files together, and its data: 0.07 s of work for a thread that waits for digests."""
    from aibom.assessors import assessing, book_loader  # noqa: F401, PLC0415
    from aibom.resolvers import resolving  # noqa: F401, PLC0415

    book_loader.load_books()


def _inspect(
    source: Source,
    inventory: Inventory,
    tree: Inspectors,
    memory: Memory | None,
    on_progress: OnProgress,
) -> Iterable[Inspection]:
    for file in inventory.files:
        on_progress(Progress(stage="inspect", file=file, done=0, total=file.size))
        yield from memory.inspect_file(tree, source, file) if memory else tree.inspect_file(source, file)
    for file in inventory.unread:
        yield Inspection(file=file, coverage=Coverage.NONE)


def _external_data(inspections: tuple[Inspection, ...]) -> tuple[Inspection, ...]:
    """Say what the raw files are that a model file names as the place of its tensors."""
    named = {
        _beside(inspection.file.path, reference.path)
        for inspection in inspections
        for reference in inspection.references
        if reference.kind is ReferenceKind.EXTERNAL_DATA
    }
    return tuple(
        replace(
            inspection,
            file=replace(inspection.file, format=Format.ONNX_EXTERNAL_DATA, role=Role.WEIGHTS),
            coverage=Coverage.COMPLETE,
        )
        if inspection.file.format in _RAW and not inspection.file.members and inspection.file.path in named
        else inspection
        for inspection in inspections
    )


def _beside(path: str, name: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return folder + slash + name.removeprefix("./")


def _digest_progress(inventory: Inventory, on_progress: OnProgress) -> Callable[[RepoFile, int], None]:
    done = 0
    total = sum(file.size for file in inventory.files)
    one_at_a_time = Lock()

    def on_bytes(file: RepoFile, got: int) -> None:
        nonlocal done
        with one_at_a_time:
            done += got
            on_progress(Progress(stage="digest", file=file, done=done, total=total))

    return on_bytes


def _versioned(resolution: Resolution, root: str) -> Resolution:
    """Give the subject the root digest as its version where nothing better is known."""
    return replace(
        resolution,
        components=tuple(
            replace(component, version=f"sha256:{root}")
            if component.ref == resolution.root and component.version is None
            else component
            for component in resolution.components
        ),
    )

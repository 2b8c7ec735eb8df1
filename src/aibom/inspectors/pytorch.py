"""Inspect torch zip files: the pickles that torch loads from them, and the tensors those describe."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Import, Inspection, TensorSummary
from aibom.containers.protocol import Budget
from aibom.containers.rules import ARCHIVE_AMBIGUOUS, Notes
from aibom.containers.zip_archive import open_entry, read_directory
from aibom.containers.zip_directory import ZipDirectory, ZipEntry
from aibom.containers.zip_ends import archives_in_a_row
from aibom.errors import FileFault
from aibom.files import Coverage, Format, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.growing import uncollected
from aibom.inspectors.observations import Observations
from aibom.inspectors.pickle_examine import Examination, examine, present
from aibom.inspectors.pickle_nodes import PersistentId
from aibom.inspectors.pickle_trailing import look_after
from aibom.inspectors.pytorch_names import Named, Naming
from aibom.inspectors.pytorch_summary import STORAGE_MISMATCH, summarize
from aibom.inspectors.torch_tensors import is_tensor_call, read_tensor, storage_key, storage_of
from aibom.inspectors.torch_views import Storage, TorchTensor
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

TORCHSCRIPT_CODE = Rule(
    id="torchscript-code",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.LOW,
    summary="The file carries TorchScript code",
    explanation=(
        "A TorchScript archive holds its model's code, compiled from Python to a restricted language. It runs when the "
        "model is called, and parts of it when it is loaded. It can't start processes, but it can compute anything, "
        "and its operators have had flaws."
    ),
    help="Load it only from a publisher you trust, or ask for safetensors weights and the model's source.",
    references=("https://docs.pytorch.org/docs/stable/notes/serialization.html",),
    cwes=(829,),
)

RULES = (TORCHSCRIPT_CODE,)

_PICKLES = ("data", "constants")
"""Stems of pickles: torch reads `data.pkl` with the storages in `data/`, TorchScript also `constants.pkl`."""
_SMALL = 4096


class TorchPickle(Struct, frozen=True, kw_only=True):
    """One pickle of a torch archive: what was found in it, its tensors, and the entries of its storages by key.

    `stem` is `data` or `constants`.
    `persistent` name its storages, whether or not a tensor looks into them.
    """

    entry: ZipEntry
    stem: str
    examination: Examination
    storages: Mapping[str, ZipEntry]
    named: tuple[Named[TorchTensor], ...]
    persistent: tuple[PersistentId, ...]
    complete: bool


class TorchArchive(Struct, frozen=True, kw_only=True):
    """A torch zip file. `little_endian` is how its storages are written."""

    directory: ZipDirectory
    pickles: tuple[TorchPickle, ...]
    little_endian: bool


@uncollected()
def read_archive(file: RepoFile, data: ByteSource, limits: Limits, seen: Observations) -> TorchArchive:
    """Examine every pickle that torch may load from the archive, under whatever prefix and in whatever case.

    Raises:
        MalformedFile: the file is no zip at all.
    """
    directory = read_directory(data, limits)
    # miniz, which torch finds its members with, does not tell upper from lower case.
    by_name = {entry.name.lower(): entry for entry in reversed(directory.entries)}
    pickles: list[TorchPickle] = []
    notes = Notes(limit=limits.findings_per_file)
    for entry in directory.entries:
        folder, stem = _pickle_of(entry)
        if stem not in _PICKLES:
            continue
        member = replace(file, members=(*file.members, entry.name), size=entry.size, format=Format.PICKLE)
        try:
            source = open_entry(data, entry, limits, Budget.of(limits), notes)
        except FileFault as fault:
            seen.fault(fault, members=(entry.name,))
            continue
        with source:
            examination = _examined(member, source, limits)
        prefix = f"{folder}{stem}/"
        storages = {key[len(prefix) :]: item for key, item in by_name.items() if key.startswith(prefix)}
        naming = Naming(is_tensor_call, read_tensor, limits.tensors)
        named = tuple(naming.tensors(examination.roots[0])) if examination.roots else ()
        if stem != "data":
            named = tuple(
                Named(name=f"{stem}.{item.name}", tensor=item.tensor, node=item.node, through=item.through)
                for item in named
            )
        complete = naming.complete and examination.fault is None
        pickles.append(
            TorchPickle(
                entry=entry,
                stem=stem,
                examination=examination,
                storages=storages,
                named=named,
                persistent=tuple(naming.persistent),
                complete=complete,
            )
        )
    for note in notes.kept:
        seen.report(note.rule, note.message, offset=note.offset, severity=note.severity)
    for limit in notes.faults:
        seen.fault(limit)
    order = next((entry for entry in directory.entries if _leaf(entry) == "byteorder"), None)
    little = order is None or _text(data, order, limits) != "big"
    return TorchArchive(directory=directory, pickles=tuple(pickles), little_endian=little)


def _examined(member: RepoFile, source: ByteSource, limits: Limits) -> Examination:
    """Examine a pickle to the end of its entry: torch loads the first stream, and others may load the rest."""
    examination = examine(member, source, limits, values=True)
    end = examination.fault.offset if examination.fault else examination.ends[-1]
    if end >= source.size:
        return examination
    rest = look_after(member, source, limits, end, broken=examination.fault is not None)
    return replace(
        examination,
        imports=(*examination.imports, *rest.imports),
        findings=(*examination.findings, *rest.findings),
        coverage=examination.coverage if rest.complete else Coverage.PARTIAL,
    )


def _pickle_of(entry: ZipEntry) -> tuple[str, str]:
    """Return the folder of an entry, with its slash, and its name without `.pkl`; empty if it has another ending."""
    # Of names that repeat, the directory gives the later ones a unique one; `raw_name` is what torch looks for.
    name = entry.raw_name.decode("utf-8", "replace").lower()
    folder, slash, leaf = name.rpartition("/")
    return folder + slash, leaf.removesuffix(".pkl") if leaf.endswith(".pkl") else ""


def _leaf(entry: ZipEntry) -> str:
    return entry.name.rpartition("/")[2].lower()


def _text(data: ByteSource, entry: ZipEntry, limits: Limits) -> str:
    if entry.size > _SMALL:
        return ""
    try:
        with open_entry(data, entry, limits, Budget(members=0, expanded_bytes=_SMALL)) as source:
            return source.read_at(0, _SMALL).decode("ascii", "replace").strip()
    except FileFault:
        return ""


@uncollected()
def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Say what the archive's pickles do and which tensors they describe.

    Faults of the zip itself are reported by whoever opens it as a container.
    """
    seen = Observations(file, limits)
    if archives_in_a_row(data, limits.container_members):
        # Each is inspected as a member of its own.
        return seen.inspection()
    try:
        archive = read_archive(file, data, limits, seen)
    except FileFault:
        return Inspection(file=file, coverage=Coverage.NONE)
    names = [entry.name for entry in archive.directory.entries]
    imports: list[Import] = []
    findings = [present(file, "holds a pickle; a format without code exists")] if archive.pickles else []
    consumed: list[str] = []
    summaries: list[TensorSummary] = []
    _note_several(archive, seen)
    for pickle in archive.pickles:
        imports += pickle.examination.imports
        findings += pickle.examination.findings
        if pickle.examination.coverage is not Coverage.COMPLETE:
            seen.coverage = Coverage.PARTIAL
        summary, used = _summary(pickle, archive, seen)
        consumed += [pickle.entry.name, *used]
        summaries.append(summary)
    if any("/code/" in f"/{name}" for name in names):
        seen.report(TORCHSCRIPT_CODE, "carries TorchScript code that runs when the model is called")
    own = seen.inspection()
    return replace(
        own,
        tensors=_joined(summaries),
        imports=tuple(imports),
        metadata=_facts(data, archive, limits),
        findings=(*findings, *own.findings),
        consumed=tuple(consumed),
    )


def _note_several(archive: TorchArchive, seen: Observations) -> None:
    """Report several checkpoints in one: torch takes one, by the first entry's folder, in any case of letters."""
    found = [pickle.entry for pickle in archive.pickles if pickle.stem == "data"]
    if len(found) > 1:
        names = ", ".join(entry.name for entry in found[:3])
        seen.report(ARCHIVE_AMBIGUOUS, f"{len(found)} pickles that torch may take for the checkpoint: {names}")


def _summary(pickle: TorchPickle, archive: TorchArchive, seen: Observations) -> tuple[TensorSummary, list[str]]:
    """Summarize one pickle's tensors; return the names of the storages that are what it says they are."""

    def place(storage: Storage) -> int | None:
        entry = pickle.storages.get(storage.key.lower())
        plain = entry is not None and entry.stored and not entry.flagged_encrypted
        return entry.data_offset if entry is not None and plain and archive.little_endian else None

    summary, faults, storages = summarize(pickle.named, place, complete=lambda: pickle.complete)
    used: list[str] = []
    for node in pickle.persistent:
        if storage_key(node) not in storages and (storage := storage_of(node)) is not None:
            storages[storage.key] = storage
    for key, storage in storages.items():
        entry = pickle.storages.get(key.lower())
        if entry is None:
            faults.append(f"the bytes of storage {key} are not in the archive")
        elif entry.size != storage.whole:
            faults.append(f"storage {key} should have {storage.whole} bytes and has {entry.size}")
        elif not entry.flagged_encrypted:
            used.append(entry.name)
    for fault in faults:
        seen.report(STORAGE_MISMATCH, fault, members=(pickle.entry.name,))
    return replace(summary, complete=summary.complete and not faults), used


def _joined(summaries: list[TensorSummary]) -> TensorSummary | None:
    """Add up the summaries of an archive's pickles, whose storages are different ones."""
    if not any(summary.tensors or not summary.complete for summary in summaries):
        return None
    by_dtype: dict[str, int] = {}
    for summary in summaries:
        for dtype, count in summary.elements_by_dtype.items():
            by_dtype[dtype] = by_dtype.get(dtype, 0) + count
    return TensorSummary(
        stored_elements=sum(by_dtype.values()),
        elements_by_dtype=by_dtype,
        tensors=tuple(tensor for summary in summaries for tensor in summary.tensors),
        complete=all(summary.complete for summary in summaries),
    )


def _facts(data: ByteSource, archive: TorchArchive, limits: Limits) -> dict[str, str]:
    facts: dict[str, str] = {}
    for key in ("version", "byteorder"):
        entry = next((entry for entry in archive.directory.entries if _leaf(entry) == key), None)
        value = _text(data, entry, limits) if entry is not None else ""
        if value:
            facts[f"pytorch:{key}"] = value
    return facts

"""What resolvers see of a target: its inspections by path, and its small text files, each read once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, cast

from aibom.components import Inspection
from aibom.errors import FileFault, LimitExceeded
from aibom.files import Format, Location
from aibom.findings import Evidence, Finding, Rule, Severity, Subject
from aibom.limits import Limits
from aibom.resolvers.documents import Text, parse_json, parse_toml, read_text
from aibom.resolvers.yaml_documents import YamlDocument, parse_yaml
from aibom.sources.bytesource import ByteSource
from aibom.sources.protocol import Source

T = TypeVar("T")

DOCUMENT_MALFORMED = Rule(
    id="document-malformed",
    subject=Subject.DOCUMENTS,
    severity=Severity.LOW,
    summary="A configuration file can't be read as what it is",
    explanation=(
        "The file is not valid JSON, YAML or TOML, repeats a key, or is larger or deeper than the scan's limits allow. "
        "What it says about the model is missing from the result, or two readers would disagree about it."
    ),
    help="Repair the file; if it is larger than the limits on purpose, raise the limit that is named.",
    cwes=(20,),
)

_READABLE_BYTES = 32  # times `limits.text_bytes`: what all documents of one target may cost together
# What a name calls a document may be something else altogether; these are never read as text.
_NO_TEXT = frozenset({Format.LFS_POINTER, Format.EMPTY, Format.PICKLE, Format.ZIP, Format.EXECUTABLE, Format.IMAGE})


class Repository:
    """The files of a target as resolvers see them. `findings` gathers what was wrong with the documents read."""

    def __init__(self, source: Source, inspections: Sequence[Inspection], limits: Limits) -> None:
        self.limits = limits
        self.inspections = tuple(inspections)
        self.findings: list[Finding] = []
        self._source = source
        self._files = {item.file.path: item for item in inspections if not item.file.members}
        self._members: dict[str, list[Inspection]] = {}
        for item in inspections:
            if item.file.members:
                self._members.setdefault(item.file.path, []).append(item)
        self._children: dict[str, list[str]] = {}
        self._sorted = sorted(self._files)
        self._lowered: dict[str, str] = {}
        self._made: dict[tuple[str, str], Any] = {}
        for path in self._sorted:
            self._children.setdefault(folder_of(path), []).append(path)
            self._lowered.setdefault(path.lower(), path)
        self._budget = _READABLE_BYTES * limits.text_bytes
        self._texts: dict[str, Text | None] = {}
        self._json: dict[str, Any] = {}
        self._yaml: dict[str, YamlDocument | None] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def inspection(self, path: str) -> Inspection | None:
        """Return what inspection said of the file at this path."""
        return self._files.get(path)

    def members(self, path: str) -> Sequence[Inspection]:
        """Return what inspection said of the members of the container at this path."""
        return self._members.get(path, ())

    def open(self, path: str) -> ByteSource:
        """Open a file of the target; OSError passes through."""
        return self._source.open(path)

    def paths(self) -> Iterator[str]:
        """Yield the paths of all files, sorted."""
        yield from self._sorted

    def below(self, folder: str) -> tuple[str, ...]:
        """Return the paths of all files in a folder and the folders in it, sorted; of the root, all."""
        if not folder:
            return tuple(self._sorted)
        start = bisect_left(self._sorted, f"{folder}/")
        return tuple(self._sorted[start : bisect_left(self._sorted, f"{folder}0", start)])  # `0` follows the slash

    def folders(self) -> tuple[str, ...]:
        """Return the folders that hold files, sorted; the root is the empty string."""
        return tuple(sorted(self._children))

    def files_in(self, folder: str) -> tuple[str, ...]:
        """Return the paths of the files directly in this folder, sorted."""
        return tuple(self._children.get(folder, ()))

    def find(self, folder: str, name: str) -> str | None:
        """Return the path of a file in this folder by its name; case counts only where two differ in nothing else."""
        exact = join(folder, name)
        if exact in self._files:
            return exact
        found = self._lowered.get(exact.lower())
        return found if found is not None and folder_of(found) == folder else None

    def once(self, what: str, key: str, make: Callable[[], T]) -> T:
        """Return what `make` gave for this key the first time: many models may lie in one folder."""
        if (what, key) not in self._made:
            self._made[what, key] = make()
        return cast("T", self._made[what, key])

    def text(self, path: str) -> Text | None:
        """Return a file's text, None where it is missing, unreadable or no text at all."""
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def json(self, path: str) -> Any:
        """Return the value in a JSON file, None where there is none (with a finding if the file is there)."""
        if path not in self._json:
            self._json[path] = None
            if (text := self.text(path)) is not None:
                try:
                    document = parse_json(self._whole(text), self.limits)
                except FileFault as fault:
                    self._note(path, str(fault))
                else:
                    self._json[path] = document.value
                    if document.duplicates:
                        self._note(path, f"keys stand twice in one object: {', '.join(document.duplicates[:5])[:200]}")
        return self._json[path]

    def yaml(self, path: str) -> YamlDocument | None:
        """Return the first document of a YAML file, None where there is none (with a finding if it is there)."""
        if path not in self._yaml:
            self._yaml[path] = None
            if (text := self.text(path)) is not None:
                try:
                    self._yaml[path] = parse_yaml(self._whole(text), self.limits)
                except FileFault as fault:
                    self._note(path, str(fault))
        return self._yaml[path]

    def toml(self, path: str) -> dict[str, Any] | None:
        """Return the tables of a TOML file, None where there are none (with a finding if the file is there)."""
        if (text := self.text(path)) is None:
            return None
        try:
            return parse_toml(self._whole(text), self.limits)
        except FileFault as fault:
            self._note(path, str(fault))
            return None

    def _read(self, path: str) -> Text | None:
        inspection = self._files.get(path)
        if inspection is None or inspection.file.format in _NO_TEXT:
            return None
        cost = min(inspection.file.size, self.limits.text_bytes)
        if cost > self._budget:
            self._note(path, "not read: the documents of this target are larger than the limits allow together")
            return None
        self._budget -= cost
        try:
            with self._source.open(path) as data:
                return read_text(path, data, self.limits.text_bytes)
        except OSError:
            return None  # the inventory or the digests have said so already

    def _whole(self, text: Text) -> str:
        if text.truncated:
            raise LimitExceeded(f"larger than the limit of {self.limits.text_bytes} bytes")
        return text.text

    def _note(self, path: str, message: str) -> None:
        self.findings.append(Finding.of(DOCUMENT_MALFORMED, message, Location(path=path)))


def folder_of(path: str) -> str:
    """Return the folder part of a path, empty for the root."""
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def join(folder: str, name: str) -> str:
    """Join a folder (empty for the root) and a name."""
    return f"{folder}/{name}" if folder else name


def stated(path: str, statement: str, line: int | None = None) -> Evidence:
    """Make evidence of a statement in a file of the target."""
    return Evidence(statement=statement, location=Location(path=path, line=line))


def line_of(text: Text | None, needle: str) -> int | None:
    """Return the line (from 1) on which `needle` first stands."""
    if text is None or (at := text.text.find(needle)) < 0:
        return None
    return text.text.count("\n", 0, at) + 1


RULES = (DOCUMENT_MALFORMED,)

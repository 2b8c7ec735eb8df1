"""Inspect HDF5 files, Keras models among them: tensors, links out of the file, the model's configuration."""

from __future__ import annotations

import re
from collections import Counter

from aibom.components import Inspection, Reference, ReferenceKind, Tensor, TensorSummary
from aibom.errors import FileFault, LimitExceeded
from aibom.files import Coverage, RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.hdf5_blocks import Hdf5File
from aibom.inspectors.hdf5_objects import Hdf5Object, Link, ObjectReader
from aibom.inspectors.hdf5_pickles import judge_attribute, judge_dataset
from aibom.inspectors.keras_config import judge_text
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.protocol import MALFORMED_FILE
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_BUILT_IN_FILTERS = frozenset(range(1, 7))  # deflate, shuffle, fletcher32, szip, nbit, scale-offset
_KNOWN_FILTERS = _BUILT_IN_FILTERS | {32000}  # LZF, which h5py brings itself
_MUCH = 4 << 30  # Keras refuses a dataset that declares more than this and over _RATIO times what the file holds
_RATIO = 1000
_PATH = 4096
_TEXT_BYTES = 64 << 20  # of all names: each repeats the groups above it
_OPTIMIZER = re.compile(r"/(?:optimizer|optimizer_weights|_optimizer)(?:/|\Z)")

HDF5_EXTERNAL = Rule(
    id="hdf5-external-data",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="The HDF5 file takes data from other files",
    explanation=(
        "HDF5 can keep a dataset's bytes in another file (external storage), lead to an object of another file "
        "(an external link) or map one from other files (a virtual dataset). The library follows silently, so that "
        "a model file can read any file of the machine and hand it on as weights. No weights file needs this."
    ),
    help="Do not load it. Recent Keras versions refuse it; ask the publisher for one self-contained file.",
    references=("https://nvd.nist.gov/vuln/detail/CVE-2026-1669",),
    cwes=(73, 200),
)
HDF5_OVERSIZED = Rule(
    id="hdf5-oversized-dataset",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.MEDIUM,
    summary="A dataset declares far more data than the file holds",
    explanation=(
        "The shape in the header asks the loader for memory that the file's bytes do not justify. Loading it may take "
        "all memory of the machine."
    ),
    help="Compare the shape with what the model's configuration needs before you load it.",
    references=("https://nvd.nist.gov/vuln/detail/CVE-2026-0897",),
    cwes=(770,),
)


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Walk all groups of an HDF5 file; raises `MalformedFile` where there is no superblock."""
    seen = Observations(file, limits)
    walk = _Walk(seen, Hdf5File(data), data)
    try:
        walk.run()
    except FileFault as fault:
        seen.fault(fault)
    walk.finish()
    return seen.inspection()


class _Walk:
    """The state of one walk from the root group."""

    def __init__(self, seen: Observations, file: Hdf5File, data: ByteSource) -> None:
        self._seen = seen
        self._file = file
        self._data = data
        self._objects = ObjectReader(file)
        self._tensors: list[Tensor] = []
        self._counted: Counter[str] = Counter()
        self._optimizer = 0
        self._others = 0
        self._complete = True
        self._filters: set[int] = set()

    def run(self) -> None:
        """Visit every object once, however many links lead to it."""
        if self._file.driver:
            self._seen.unread(
                "the superblock names a driver that spreads the file over several", severity=Severity.MEDIUM
            )
        text = _TEXT_BYTES
        waiting, visited = [(self._file.root, "", 0)], {self._file.root}
        while waiting:
            address, path, depth = waiting.pop()
            try:
                found = self._objects.read(address)
            except LimitExceeded:
                raise
            except FileFault as fault:
                # One broken object does not hide the others.
                self._seen.fault(fault)
                continue
            self._object(found, path)
            for link in found.links:
                below = f"{path}/{link.name}"
                if link.address is None:
                    self._link(link, below)
                elif link.address in visited:
                    continue
                elif depth >= self._seen.limits.path_depth or len(below) > _PATH:
                    # Names below share the path, so that a long one would be kept once for every object.
                    limit = f"{self._seen.limits.path_depth} levels or {_PATH} characters"
                    raise LimitExceeded(f"groups nested deeper than {limit}", offset=link.place)
                else:
                    visited.add(link.address)
                    text -= len(below)
                    waiting.append((link.address, below, depth + 1))
            if len(visited) > self._seen.limits.tensors or text < 0:
                raise LimitExceeded("more objects, or longer names, than the limit allows", offset=found.place)

    def finish(self) -> None:
        """Sum up the tensors."""
        unknown = sorted(self._filters - _KNOWN_FILTERS)
        if unknown:
            self._seen.note("filters", ", ".join(map(str, unknown)))
        if self._others:
            self._seen.note("other_datasets", self._others)
        if self._optimizer:
            self._seen.note("optimizer_elements", self._optimizer)
        self._seen.tensors = TensorSummary(
            stored_elements=sum(self._counted.values()),
            elements_by_dtype=dict(self._counted),
            tensors=tuple(sorted(self._tensors, key=lambda tensor: tensor.name)),
            complete=self._complete and self._seen.coverage is Coverage.COMPLETE,
        )

    def _object(self, found: Hdf5Object, path: str) -> None:
        for name, (kind, value) in found.attributes.items():
            if name in {"model_config", "training_config"}:
                text = self._objects.text_of(kind, value, most=self._seen.limits.json_bytes)
                if text:
                    self._configuration(name, text, value.place)
            elif name in {"keras_version", "backend"} and not path:
                self._seen.note(name, self._objects.text_of(kind, value, most=256))
            else:
                judge_attribute(self._seen, self._data, name, kind, value)
        if found.external:
            for target in found.external:
                self._outside(f"dataset {shown(path)} keeps its data in", target, found.place)
        if found.virtual and found.virtual_source != ".":
            self._outside(f"dataset {shown(path)} is mapped from", found.virtual_source, found.place)
        if found.type is not None and found.is_dataset:
            judge_dataset(self._seen, path, found.attributes, found.place)
            self._dataset(found, path)

    def _configuration(self, name: str, text: str, place: int) -> None:
        config = judge_text(self._seen, text, safe_mode=False, offset=place)
        if name == "model_config" and isinstance(config, dict):
            self._seen.note("class_name", _text(config.get("class_name")))
            inner = config.get("config")
            self._seen.note("model_name", _text(inner.get("name")) if isinstance(inner, dict) else None)

    def _dataset(self, found: Hdf5Object, path: str) -> None:
        kind = found.type
        assert kind is not None
        self._filters.update(found.filters)
        dtype = kind.name
        if dtype == "V2" and "dtype" in found.attributes:
            # Keras stores bfloat16, which HDF5 does not know, as two opaque bytes.
            dtype = "BF16" if self._objects.text_of(*found.attributes["dtype"], most=64) == "bfloat16" else dtype
        if not dtype:
            self._others += 1
            return
        declared = found.elements * kind.size
        if declared > _MUCH and declared > _RATIO * self._data.size:
            self._seen.report(
                HDF5_OVERSIZED, f"dataset {shown(path)} declares {declared} bytes in a file of {self._data.size}",
                offset=found.place,
            )  # fmt: skip
            self._complete = False
            return
        contiguous = not found.filters and found.length is not None and not found.external and not found.virtual
        if contiguous and found.length != declared:
            self._seen.report(
                MALFORMED_FILE, f"dataset {shown(path)} needs {declared} bytes for its shape and has {found.length}",
                offset=found.place,
            )  # fmt: skip
            self._complete = False
            return
        laid_out = contiguous and found.offset is not None and kind.in_order
        name = path.removeprefix("/")
        self._tensors.append(
            Tensor(name=name, dtype=dtype, shape=found.shape or (), offset=found.offset if laid_out else None,
                   length=found.length if laid_out else None)
        )  # fmt: skip
        if _OPTIMIZER.match(path):
            # Momenta and the like are no parameters of the model.
            self._optimizer += found.elements
        else:
            self._counted[dtype] += found.elements

    def _link(self, link: Link, path: str) -> None:
        if link.file is not None:
            target = f"{link.file}:{link.path}" if link.path else link.file
            self._outside(f"link {shown(path)} leads to", link.file, link.place, shown_as=target)

    def _outside(self, what: str, target: str, place: int, *, shown_as: str | None = None) -> None:
        why = why_outside(target)
        self._seen.report(
            HDF5_EXTERNAL,
            f"{what} {shown(shown_as or target)}" + (f", which {why}" if why else ", another file"),
            offset=place,
            severity=None if why else Severity.MEDIUM,
        )
        self._seen.refer(
            Reference(path=target, kind=ReferenceKind.EXTERNAL_DATA, location=self._seen.file.at(offset=place))
        )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


RULES = (HDF5_EXTERNAL, HDF5_OVERSIZED)

"""Count the tensors of a checkpoint, each stored element once, and say where in the file they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aibom.components import Tensor, TensorSummary
from aibom.findings import Rule, Severity, Subject
from aibom.inspectors.pytorch_names import Named
from aibom.inspectors.torch_views import DENSE, Storage, TorchTensor, View

STORAGE_MISMATCH = Rule(
    id="tensor-out-of-bounds",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.HIGH,
    summary="A tensor does not fit the bytes that it is made of",
    explanation=(
        "The checkpoint describes a tensor that reaches beyond its storage, or a storage of another size than the "
        "bytes that are there. Loaders have read and written foreign memory on such files."
    ),
    help="Do not load it. Fetch the file again and compare its digest with the publisher's.",
    references=("CVE-2026-24747",),
    cwes=(125, 787),
)

RULES = (STORAGE_MISMATCH,)

Place = Callable[[Storage], int | None]
"""Returns where a storage begins in the file, None where it is not there as it is."""


def _elements(views: list[View]) -> int:
    """Return how many different elements of one type in one storage the views look at.

    Exact for one view and for views without holes; for several with holes, no more than the range they span.
    """
    if len(views) == 1:
        return views[0].distinct
    different = {(view.offset, view.shape, view.stride): view for view in views}
    if len(different) == 1:
        return views[0].distinct
    total = 0
    start = end = distinct = 0
    for (first, last), count in sorted((view.reach, view.distinct) for view in different.values()):
        if first >= end:
            total += min(end - start, distinct)
            start, end, distinct = first, last, 0
        end = max(end, last)
        distinct += count
    return total + min(end - start, distinct)


def summarize(
    named: Iterable[Named[TorchTensor]], place: Place, *, complete: Callable[[], bool]
) -> tuple[TensorSummary, list[str], dict[str, Storage]]:
    """Return the summary, what is wrong with tensors, and the storages that tensors look into.

    `complete` is asked once all of `named` were taken.
    """
    tensors: list[Tensor] = []
    # Nearly every storage is looked at once.
    first: dict[str, View] = {}
    further: dict[str, list[View]] = {}
    storages: dict[str, Storage] = {}
    faults: list[str] = []
    broken = False
    for item in named:
        tensor = item.tensor
        if tensor is None:
            continue
        offset = length = None
        for view in tensor.views:
            storage, dtype = view.storage, view.dtype
            known = storages.setdefault(storage.key, storage)
            if known is not storage and known.whole != storage.whole:
                faults.append(f"storage {known.key} is said to have {known.whole} and {storage.whole} bytes")
                broken = True
            if not view.fits:
                broken = True
                faults.append(f"{item.name} reaches beyond its storage of {storage.length} bytes")
                continue
            if first.setdefault(storage.key, view) is not view:
                further.setdefault(storage.key, []).append(view)
            extent = view.extent
            dense = tensor.layout == DENSE and not (view.conjugate or view.negative)
            if dense and extent.contiguous and dtype.per_byte == 1:
                start = place(storage)
                if start is not None:
                    offset = start + storage.start + view.offset * dtype.size
                    length = extent.elements * dtype.size
        tensors.append(Tensor(name=item.name, dtype=tensor.dtype, shape=tensor.shape, offset=offset, length=length))
    by_dtype: dict[str, int] = {}
    for key, view in first.items():
        looks = {view.dtype.name: [view]}
        for other in further.get(key, ()):
            looks.setdefault(other.dtype.name, []).append(other)
        for dtype_name, views in looks.items():
            by_dtype[dtype_name] = by_dtype.get(dtype_name, 0) + _elements(views)
    summary = TensorSummary(
        stored_elements=sum(by_dtype.values()),
        elements_by_dtype=by_dtype,
        tensors=tuple(tensors),
        complete=complete() and not broken,
    )
    return summary, faults, storages

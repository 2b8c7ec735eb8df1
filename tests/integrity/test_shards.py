from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes import MemoryRepo

from aibom.components import Inspection, SignatureStatus, Tensor, TensorSummary, Verification
from aibom.containers import CONTAINERS
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding, Severity
from aibom.inspection import Inspectors
from aibom.inspectors import INSPECTORS
from aibom.integrity.shards import check_shards
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.sources.local import DirectorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real"
ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = "model.safetensors.index.json"
MAP = {"a": ONE, "b": TWO}


def inspection(path: str, tensors: Mapping[str, int] | None = None, *, complete: bool = True) -> Inspection:
    """Make the inspection of a weight file that holds one-byte tensors, or of an index."""
    if path.endswith(".json"):
        file = RepoFile(path=path, size=1, format=Format.SAFETENSORS_INDEX, role=Role.CONFIG)
        return Inspection(file=file, coverage=Coverage.COMPLETE)
    format_ = Format.GGUF if path.endswith(".gguf") else Format.SAFETENSORS
    file = RepoFile(path=path, size=1, format=format_, role=Role.WEIGHTS)
    summary = TensorSummary(
        stored_elements=len(tensors or {}),
        elements_by_dtype={},
        tensors=tuple(
            Tensor(name=name, dtype="U8", shape=(1,), offset=0, length=size) for name, size in (tensors or {}).items()
        ),
        complete=complete,
    )
    return Inspection(file=file, coverage=Coverage.COMPLETE, tensors=summary if tensors is not None else None)


def index(weight_map: Mapping[str, object], **metadata: object) -> bytes:
    return json.dumps({"metadata": metadata, "weight_map": weight_map}).encode()


def check(
    raw: bytes | None, *inspections: Inspection, limits: Limits | None = None
) -> tuple[tuple[Verification, ...], list[tuple[str, str, str]]]:
    """Check one index (or none); findings are severity, rule and path."""
    files = {INDEX: raw} if raw is not None else {}
    found = (inspection(INDEX),) if raw is not None else ()
    verifications, findings = check_shards(MemoryRepo(files), (*found, *inspections), limits or Limits())
    return verifications, [_short(finding) for finding in findings]


def _short(finding: Finding) -> tuple[str, str, str]:
    return finding.severity.value, finding.rule.id, finding.location.path if finding.location else ""


WHOLE = (inspection(ONE, {"a": 1}), inspection(TWO, {"b": 1}))


def test_an_index_that_agrees_with_its_shards_is_said_so() -> None:
    """Every shard is there, every name stands where the index says, and sizes add up."""
    (found,), findings = check(index(MAP, total_size=2), *WHOLE)
    assert SignatureStatus.CHECKSUM_OK is found.status
    assert [] == findings


def test_a_missing_shard_is_a_missing_file() -> None:
    """The loader would stop, or leave weights at random."""
    (found,), findings = check(index(MAP), WHOLE[0])
    assert SignatureStatus.MISMATCH is found.status
    assert [("high", "missing-file", TWO)] == findings


def test_shards_left_out_of_a_download_are_a_trifle_beside_whole_weights() -> None:
    """Many download only one form of the weights; its index stays behind."""
    other = inspection("pytorch_model.bin", {"a": 1, "b": 1})
    assert [("low", "missing-file", ONE), ("low", "missing-file", TWO)] == check(index(MAP), other)[1]


@pytest.mark.parametrize(
    ("shards", "expected"),
    [
        ((inspection(ONE, {"a": 1}), inspection(TWO, {"c": 1})), [("high", "index-mismatch", TWO)]),
        ((inspection(ONE, {"a": 1, "x": 1}), WHOLE[1]), [("medium", "index-mismatch", ONE)]),
        ((inspection(ONE, {"x": 1}, complete=False), WHOLE[1]), []),
        ((inspection(ONE), WHOLE[1]), []),
        ((*WHOLE, inspection("model-00003-of-00002.safetensors", {"z": 1})),
         [("medium", "index-mismatch", "model-00003-of-00002.safetensors")]),
    ],
    ids=["tensor elsewhere", "tensor unknown", "header read in part", "not inspected", "part unknown"],
)  # fmt: skip
def test_headers_and_index_have_to_agree(shards: tuple[Inspection, ...], expected: list[Any]) -> None:
    """Tensors that the index misplaces are high, those that it does not know medium; what was not read says nothing."""
    findings = check(index(MAP), *shards)[1]
    assert set(expected) <= set(findings)
    assert bool(expected) is bool(findings)


def test_two_places_for_one_tensor_are_a_mismatch() -> None:
    """Readers differ on which of two equal keys counts."""
    raw = b'{"weight_map": {"a": "%s", "a": "%s"}}' % (ONE.encode(), TWO.encode())
    assert ("high", "index-mismatch", INDEX) in check(raw, *WHOLE)[1]


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "", 1, "a\\b"])
def test_a_shard_outside_the_model_is_a_mismatch(name: object) -> None:
    """No index has to name a file anywhere else."""
    assert ("high", "index-mismatch", INDEX) in check(index({**MAP, "x": name}), *WHOLE)[1]


def test_another_total_is_an_information() -> None:
    """Converters have long written totals that no loader relies on."""
    (found,), findings = check(index(MAP, total_size=3), *WHOLE)
    assert [("info", "index-mismatch", INDEX)] == findings
    assert SignatureStatus.CHECKSUM_OK is found.status


@pytest.mark.parametrize("raw", [b"garbage", b"[]", b'{"weight_map": 1}', b"[" * 500])
def test_an_index_of_another_shape_is_left_to_inspection(raw: bytes) -> None:
    """Nothing is concluded from what can't be read."""
    assert [] == check(raw, *WHOLE)[1]


def test_an_index_that_is_too_long_or_gone_is_not_read() -> None:
    """The inventory and the inspector have said so."""
    shards = (inspection(ONE, {"x": 1}), WHOLE[1])
    assert [] == check(index(MAP), *shards, limits=Limits(json_bytes=3))[1]
    assert () == check_shards(MemoryRepo({}), (inspection(INDEX),), Limits())[0]


@pytest.mark.parametrize(
    ("numbers", "total", "expected"),
    [
        ((1, 2, 3), 3, []),
        ((0, 1, 2), 3, []),
        ((1, 3), 3, [("high", "missing-file", "m-00002-of-00003.gguf")]),
        ((1, 2, 3, 4), 3, [("high", "index-mismatch", "m-00004-of-00003.gguf")]),
    ],
)
def test_numbered_parts_without_an_index_have_no_gaps(numbers: tuple[int, ...], total: int, expected: object) -> None:
    """The names themselves say how many there are, counted from one or from zero."""
    parts = [inspection(f"m-{number:05}-of-{total:05}.gguf") for number in numbers]
    assert expected == check(None, *parts)[1]


def test_a_name_that_claims_very_many_parts_is_bounded() -> None:
    """99,999 missing parts are not listed one by one without end."""
    assert 10_000 > len(check(None, inspection("m-00001-of-99999.gguf"))[1])


def gguf(number: int, total: int, tensors: int, **metadata: int) -> Inspection:
    item = inspection(f"m-{number:05}-of-{total:05}.gguf", {f"{number}.{at}": 1 for at in range(tensors)})
    return replace(item, metadata={f"split.{name}": value for name, value in metadata.items()})


@pytest.mark.parametrize(
    ("parts", "count"),
    [
        ((gguf(1, 2, 1, no=0, count=2), gguf(2, 2, 3, no=1, count=2)), 0),
        ((gguf(1, 2, 1, no=1, count=2), gguf(2, 2, 3, no=1, count=2)), 1),
        ((gguf(1, 2, 1, no=0, count=3), gguf(2, 2, 3, no=1, count=2)), 1),
    ],
)
def test_gguf_parts_are_held_to_their_own_metadata(parts: tuple[Inspection, ...], count: int) -> None:
    """`split.no` and `split.count` have to fit the names."""
    assert count == len(check(None, *parts)[1])


@pytest.mark.parametrize(("held", "count"), [(4, 0), (5, 1)])
def test_gguf_parts_hold_all_tensors(held: int, count: int) -> None:
    """`split.tensors.count` is the number of tensors in all parts."""
    parts = [gguf(1, 2, 1, no=0, count=2), gguf(2, 2, 3, no=1, count=2)]
    parts = [replace(part, metadata={**part.metadata, "split.tensors.count": held}) for part in parts]
    assert count == len(check(None, *parts)[1])


@pytest.mark.parametrize("name", ["transformers/tiny-llama-chat", "transformers/tiny-bert-bin", "gguf"])
def test_what_the_real_libraries_write_agrees(name: str) -> None:
    """Sharded files of the real libraries give no finding."""
    source = DirectorySource(str(REAL / name))
    inventory = take_inventory(source, Limits())
    tree = Inspectors(INSPECTORS, CONTAINERS, Limits())
    inspections = tuple(item for file in inventory.files for item in tree.inspect_file(source, file))
    verifications, findings = check_shards(source, inspections, Limits())
    assert [] == [finding for finding in findings if finding.severity is not Severity.INFO]
    assert {SignatureStatus.CHECKSUM_OK} == {item.status for item in verifications}

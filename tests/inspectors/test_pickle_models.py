"""Keras models in pickles: which bytes are handed to Keras, and what can't be told."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from fixtures.archive_bytes import make_tar
from fixtures.hostile_graphs import keras_archive, lambda_layer
from fixtures.hostile_model_pickles import pickled_by_keras2, pickled_model
from fixtures.pickle_assembler import Ops, built, called, made, new, old, stream
from tests.fakes import MemoryRepo

from aibom.components import Inspection
from aibom.files import Format, RepoFile, Role
from aibom.findings import Finding, Severity
from aibom.inspectors.contents import Content, WithContents
from aibom.inspectors.joblib_files import inspect as inspect_joblib
from aibom.inspectors.pickles import inspect
from aibom.limits import Limits
from aibom.pipeline import scan
from aibom.settings import Settings
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real" / "keras"
ARCHIVE = keras_archive()
HOSTILE = keras_archive(lambda_layer("x"))
STREAM = new("_io", "BytesIO")
REBUILD = new("keras.src.models.sequential", "Sequential._unpickle_model")
KERAS2 = new("keras.src.saving.pickle_utils", "deserialize_model_from_bytecode")
CREATED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def filled(content: object, *more: object) -> Ops:
    return built(made(STREAM), (content, 0, *(more or (None,))))


def look(raw: bytes) -> Inspection:
    file = RepoFile(path="model.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    return inspect(file, MemorySource(raw), Limits())


def contents(raw: bytes) -> tuple[Content, ...]:
    found = look(raw)
    return found.contents if isinstance(found, WithContents) else ()


def scanned(raw: bytes, name: str = "model.pkl") -> list[Finding]:
    report = scan(MemoryRepo({name: raw}, target="case"), Settings(as_of=CREATED.date(), jobs=1), created=CREATED)
    assert not any(isinstance(item, WithContents) for item in report.inspections)
    return [finding for finding in report.findings if finding.location and finding.location.path == name]


def unknown_calls(raw: bytes) -> list[Severity]:
    return [finding.severity for finding in look(raw).findings if finding.rule.id == "pickle-unknown-call"]


def test_the_archive_is_a_content_at_its_place() -> None:
    """What Keras 3 pickles is one archive that stands in the file as it is."""
    raw = pickled_model(ARCHIVE)
    (content,) = contents(raw)
    at = raw.index(ARCHIVE)
    assert (f"[keras @{at:#x}]", Format.KERAS_V3, at) == (content.name, content.format, content.offset)
    assert ARCHIVE == content.data.read_at(0, content.data.size)
    assert [] == unknown_calls(raw)


def test_a_joblib_file_hands_its_models_on_too() -> None:
    """The inspector of joblib files finds the same content."""
    raw = pickled_model(ARCHIVE)
    file = RepoFile(path="model.joblib", size=len(raw), format=Format.JOBLIB, role=Role.WEIGHTS)
    found = inspect_joblib(file, MemorySource(raw), Limits())
    assert isinstance(found, WithContents)
    assert 1 == len(found.contents)


@pytest.mark.parametrize(
    "argument",
    [
        filled(ARCHIVE),
        called(STREAM, ARCHIVE),
        built(filled(HOSTILE), (ARCHIVE, 7, {})),
        filled(called(old("_codecs", "encode"), ARCHIVE.decode("latin-1"), "latin1")),
        filled(called(old("_codecs", "encode"), ARCHIVE.decode("latin-1") + "x" * 70_000, "latin-1")),
    ],
    ids=["state", "argument", "state-twice", "encoded", "encoded-long"],
)
def test_ways_to_fill_a_stream(argument: Ops) -> None:
    """The last state counts, or the argument; older protocols put the bytes together."""
    raw = stream(called(REBUILD, argument))
    (content,) = contents(raw)
    assert ARCHIVE == content.data.read_at(0, len(ARCHIVE))
    assert [] == unknown_calls(raw)


@pytest.mark.parametrize(
    "argument",
    [
        None,
        made(STREAM),
        made(STREAM, ARCHIVE),
        called(STREAM, ARCHIVE, 1),
        filled(ARCHIVE, {"read": new("builtins", "len")}),
        built(made(STREAM), ARCHIVE),
        filled("text"),
        filled(called(new("time", "ctime"))),
        filled(called(old("_codecs", "encode"), "x" * 70_000, "utf-16")),
        filled(called(old("_codecs", "encode"), "\u20ac" + "x" * 70_000, "latin1")),
        called(new("tempfile", "TemporaryFile")),
    ],
    ids=["none", "empty", "new-with-argument", "two", "own-method", "odd-state", "text", "computed", "codec",
         "not-latin", "other-stream"],
)  # fmt: skip
def test_what_can_not_be_located_stays_high(argument: object) -> None:
    """A model that the file does not tell is a call that nobody has looked at."""
    raw = stream(called(REBUILD, argument))
    assert () == contents(raw)
    assert Severity.HIGH in {finding.severity for finding in look(raw).findings}


def test_elements_put_into_a_stream_can_not_be_told() -> None:
    """A stream that got elements is not what its state says."""
    raw = stream(called(REBUILD, Ops(filled(ARCHIVE).code + b"(K\x01e")))
    assert [Severity.HIGH] == unknown_calls(raw)


def test_keras_2_reads_archives_and_tars() -> None:
    """The bytes are an archive, a tar, or both; what is neither stays high."""
    tar = make_tar(("saved_model.pb", b"x", {}))
    assert [Format.KERAS_V3] == [content.format for content in contents(pickled_by_keras2(ARCHIVE))]
    assert [Format.TAR] == [content.format for content in contents(pickled_by_keras2(tar))]
    both = contents(pickled_by_keras2(tar + ARCHIVE))
    assert [Format.TAR, Format.KERAS_V3] == [content.format for content in both]
    assert [Severity.HIGH] == unknown_calls(pickled_by_keras2(b"neither"))


def test_a_model_is_looked_at_once() -> None:
    """Two calls with the same stream are one content; two streams are two."""
    shared = stream([called(REBUILD, Ops(filled(ARCHIVE).code + b"\x94")), called(REBUILD, Ops(b"h\x00"))])
    assert 1 == len(contents(shared))
    assert 2 == len(contents(stream([called(REBUILD, filled(ARCHIVE))] * 2)))


def test_more_models_than_the_limit_stay_high() -> None:
    """What is beyond the limit was not looked at."""
    raw = stream([called(REBUILD, filled(ARCHIVE))] * 3)
    file = RepoFile(path="model.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    found = inspect(file, MemorySource(raw), Limits(findings_per_file=2))
    assert isinstance(found, WithContents)
    assert 2 == len(found.contents)
    assert "pickle-unknown-call" in {finding.rule.id for finding in found.findings}


def test_a_model_in_a_nested_pickle_has_its_place_in_the_file() -> None:
    """Offsets count in the outer file; a nested pickle that is put together has none."""
    inner = pickled_model(ARCHIVE)
    raw = stream(called(new("pickle", "loads"), inner))
    (content,) = contents(raw)
    assert raw.index(ARCHIVE) == content.offset
    assert ARCHIVE == content.data.read_at(0, content.data.size)
    (content,) = contents(stream(called(new("pickle", "loads"), called(new("builtins", "bytes"), inner))))
    assert content.offset is None


def test_only_a_method_of_a_class_of_keras_is_believed() -> None:
    """The same name elsewhere, or reached through something else, is nothing that is known."""
    for owner in ("keras.src.models.sequential", "Sequential.__class__._unpickle_model"), ("mine", "M._unpickle_model"):
        raw = stream(called(new(*owner), filled(ARCHIVE)))
        assert () == contents(raw)
        assert any(finding.severity.at_least(Severity.HIGH) for finding in look(raw).findings)


def test_a_lambda_in_it_is_critical_and_named_by_member() -> None:
    """Keras loads it with safe mode off, so that bytecode runs."""
    raw = pickled_model(HOSTILE)
    (finding,) = [finding for finding in scanned(raw) if finding.severity.at_least(Severity.LOW)]
    assert ("keras-lambda", Severity.CRITICAL) == (finding.rule.id, finding.severity)
    assert finding.location is not None
    assert (f"[keras @{raw.index(HOSTILE):#x}]", "config.json") == finding.location.members


@pytest.mark.parametrize("name", ["sequential.pkl", "sequential.joblib"])
def test_what_keras_pickled_is_not_accused(name: str) -> None:
    """An ordinary model is no polyglot, and its bytes are no broken pickle."""
    assert {Severity.INFO} == {finding.severity for finding in scanned((REAL / name).read_bytes(), name)}


def test_what_keras_pickled_with_a_lambda_is_critical() -> None:
    """The bytecode in a file that Keras wrote is found."""
    found = scanned((REAL / "lambda.pkl").read_bytes(), "lambda.pkl")
    assert ["keras-lambda"] == [item.rule.id for item in found if item.severity is Severity.CRITICAL]


def test_an_archive_behind_the_model_is_another_file() -> None:
    """Only the archive that the pickle hands to Keras is no second thing that the file is."""
    ids = {finding.rule.id for finding in scanned(pickled_model(ARCHIVE) + HOSTILE)}
    assert {"polyglot", "keras-lambda", "pickle-trailing-data"} <= ids


def test_archives_within_each_other_are_bounded() -> None:
    """A model in a pickle in an archive counts as a container, and too many are not looked at."""
    settings = Settings(as_of=CREATED.date(), jobs=1, limits=Limits(container_depth=0))
    report = scan(MemoryRepo({"model.pkl": pickled_model(HOSTILE)}, target="case"), settings, created=CREATED)
    assert "inspection-incomplete" in {finding.rule.id for finding in report.findings}


def test_a_broken_archive_is_told() -> None:
    """The bytes are taken for what Keras takes them for, whatever they are."""
    found = scanned(pickled_model(b"no archive at all"))
    assert {("malformed-file", Severity.HIGH)} == {
        (item.rule.id, item.severity) for item in found if item.severity.at_least(Severity.LOW)
    }

"""JSON configuration: readable alike, the code it names, the templates it holds."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.components import Inspection, ReferenceKind
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors.text_configs import inspect
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


def look(value: object, name: str = "config.json", limits: Limits | None = None) -> Inspection:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    file = RepoFile(path=name, size=len(content), format=Format.JSON, role=Role.CONFIG)
    return inspect(file, MemorySource(content), limits or Limits())


def code(value: object, name: str = "config.json", limits: Limits | None = None) -> list[str]:
    found = look(value, name, limits)
    assert {reference.kind for reference in found.references} <= {ReferenceKind.CODE}
    return [reference.path for reference in found.references]


def test_auto_map_names_code() -> None:
    """What a loader imports from beside the configuration is referred to, as it is written there."""
    value = {"auto_map": {"AutoConfig": "configuration_x.XConfig", "AutoTokenizer": ["t.Slow", None], "a": "o/r--f.C"}}
    assert code(value) == ["configuration_x.XConfig", "t.Slow", "o/r--f.C"]
    assert code({"auto_map": 5}) == []


def test_custom_pipelines_and_modules_name_code() -> None:
    """Custom pipelines, parts of diffusers pipelines and sentence-transformers modules are referred to."""
    assert code({"custom_pipelines": {"x": {"impl": "pipeline_x.P"}, "y": 5}}) == ["pipeline_x.P"]
    index = {
        "_class_name": ["pipeline_own", "P"],
        "unet": ["diffusers", "U"],
        "vae": ["own_vae", "V"],
        "x": [None, None],
    }
    assert code(index, "model_index.json") == ["pipeline_own.P", "own_vae.V"]
    modules = [{"type": "sentence_transformers.models.Transformer"}, {"type": "custom_st.Model"}, 5]
    assert code(modules, "modules.json") == ["custom_st.Model"]
    assert code(modules, "other.json") == []


def test_an_entry_that_another_hides_is_reported() -> None:
    """Of two entries of one name readers take different ones; both are looked at."""
    found = look(b'{"auto_map": {"a": "x.Y"}, "b": [{"c": 1, "c": 2}], "auto_map": {}}')
    assert [finding.severity for finding in found.findings] == [Severity.MEDIUM]
    assert {finding.rule.id for finding in found.findings} == {"malformed-file"}


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1,}', b"{'a': 1}", b"\xff\xfe\xff", b'"\xc3"', b"[1] 2"])
def test_what_is_no_json_is_malformed(content: bytes) -> None:
    """Bytes that are not JSON are malformed."""
    with pytest.raises(MalformedFile):
        look(content)


@pytest.mark.parametrize("content", [b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16"), b'{"a": Infinity}', b"5"])
def test_what_loaders_take_is_taken(content: bytes) -> None:
    """Byte order marks, Python's constants and bare values are no faults."""
    assert look(content).findings == ()


def test_limits_are_kept() -> None:
    """Size and depth beyond the limits are not read."""
    with pytest.raises(LimitExceeded):
        look(b" " * 200, limits=Limits(json_bytes=100))
    with pytest.raises(LimitExceeded):
        look(b"[" * 200 + b"]" * 200)
    with pytest.raises(LimitExceeded):
        look(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", limits=Limits(text_bytes=100))


def test_large_documents_are_read_for_what_matters() -> None:
    """Of a document beyond the text limit, code and templates are still found, and its syntax is checked."""
    small = Limits(text_bytes=100)
    value = {"vocab": list(range(200)), "auto_map": {"a": "x.Y"}, "chat_template": "{{ ''.__class__ }}"}
    found = look(value, limits=small)
    assert [reference.path for reference in found.references] == ["x.Y"]
    assert [finding.rule.id for finding in found.findings] == ["template-injection"]
    assert look(list(range(200)), limits=small).findings == ()
    with pytest.raises(MalformedFile):
        look(b'{"a": [' + b"1," * 200 + b"]}", limits=small)


@given(st.binary(max_size=60) | st.text('{}[]":,1aeut\\n', max_size=60).map(str.encode), st.booleans())
@settings(max_examples=200)
def test_any_bytes_raise_only_our_faults(content: bytes, tight: bool) -> None:
    """Any bytes raise nothing but the two faults, read whole or in outline."""
    try:
        look(content, limits=Limits(text_bytes=10) if tight else None)
    except FileFault:
        return


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("a.B"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["auto_map", "chat_template", "custom_pipelines", "impl", "name", "template", "_class_name", "type"]), inner),
    max_leaves=10,
)  # fmt: skip


@given(JSON, st.sampled_from(["config.json", "model_index.json", "modules.json"]))
@settings(max_examples=200)
def test_any_shape_of_what_matters_is_read(value: Any, name: str) -> None:
    """Whatever stands under the keys that matter, no shape is an error."""
    look(value, name)

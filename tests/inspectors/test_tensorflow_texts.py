"""Graphs in protobuf's text form are read for their operations."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes import repo_file
from tests.inspectors.graph_helpers import look, messages, rules

from aibom.errors import LimitExceeded
from aibom.files import Coverage, Format
from aibom.formats import recognize
from aibom.inspectors import tensorflow_models
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

HEAD = 'saved_model_schema_version: 1\nmeta_graphs {\n  graph_def {\n    node {\n      name: "w"\n      '


def saved_model(op: str) -> bytes:
    return f"{HEAD}{op}\n    }}\n  }}\n}}\n".encode()


@pytest.mark.parametrize(
    "op",
    [
        'op: "WriteFile"',
        "op:'WriteFile'",
        'op: "Write" "File"',
        r'op: "\127rite\x46ile"',
        'op # a comment\n: # "NoOp"\n"WriteFile"',
        'op: "NoOp"\n    }\n    node {\n      op: "WriteFile"',
    ],
)
def test_operations_are_found_however_they_are_written(op: str) -> None:
    """Neighbouring strings are one, escapes stand for characters, comments for nothing."""
    assert "operation WriteFile writes files" in messages(look(tensorflow_models.inspect, saved_model(op)))


@pytest.mark.parametrize(
    "op", ['op: "Add"', '# op: "WriteFile"', 'device: "op: \\"WriteFile\\""', "op { WriteFile: 1 }"]
)
def test_what_names_no_operation_is_let_be(op: str) -> None:
    """Comments and the content of other strings are no operations."""
    assert "savedmodel-unsafe-op" not in rules(look(tensorflow_models.inspect, saved_model(op)))


def test_the_rest_is_said_not_to_have_been_read() -> None:
    """Variables, layers and assets are read from the binary form alone."""
    inspection = look(tensorflow_models.inspect, saved_model('op: "Add"'))
    assert (Coverage.PARTIAL, 1) == (inspection.coverage, inspection.metadata["operations"])


def test_a_bare_graph_in_text() -> None:
    """A GraphDef in text is judged as a SavedModel is."""
    raw = b'node {\n  name: "r"\n  op: "ReadFile"\n}\n'
    assert "operation ReadFile" in messages(look(tensorflow_models.inspect_graph, raw))
    assert Format.TF_GRAPHDEF is recognize("graph.pbtxt", raw, len(raw))


def test_texts_are_recognized_by_their_fields() -> None:
    """A SavedModel in text is one under any name; other messages in text are not."""
    raw = saved_model('op: "Add"')
    assert Format.TF_SAVEDMODEL is recognize("notes.txt", raw, len(raw))
    labels = b'item {\n  id: 1\n  name: "cat"\n}\n'
    assert Format.TEXT is recognize("labels.pbtxt", labels, len(labels))


def test_a_text_beyond_the_limit() -> None:
    """What is too large is not read in part."""
    with pytest.raises(LimitExceeded, match="a graph in text of"):
        tensorflow_models.inspect(
            repo_file("saved_model.pbtxt", b""),
            MemorySource(saved_model('op: "Add"')),
            replace(Limits(), json_bytes=100),
        )


@given(st.lists(st.sampled_from(["op", ":", '"', "'", "\\", "WriteFile", "{", "}", "#", "\n", " ", "\\x", "\\7", "é"])))
@settings(max_examples=200)
def test_any_tokens_are_read(parts: list[str]) -> None:
    """No text makes the reader fail."""
    look(tensorflow_models.inspect, HEAD.encode() + "".join(parts).encode())


def test_open_strings_cost_little() -> None:
    """Strings that are never closed are passed over in linear time."""
    look(tensorflow_models.inspect, HEAD.encode() + b'"\\' * 200_000)

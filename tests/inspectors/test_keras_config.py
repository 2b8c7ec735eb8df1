from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fixtures import graph_bytes as g
from fixtures.hostile_graphs import keras_archive, keras_config, marshalled
from tests.inspectors.graph_helpers import look, messages, rules

from aibom.errors import LimitExceeded, MalformedFile
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.inspectors import keras_files
from aibom.inspectors.foreign_json import parse_json, read_json
from aibom.inspectors.keras_config import judge_document
from aibom.inspectors.keras_objects import judge_object
from aibom.inspectors.observations import Observations
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real" / "keras"


def test_a_real_archive() -> None:
    """A Keras archive says its class and version; configuration and metadata are read, the weights are left."""
    inspection = look(keras_files.inspect, (REAL / "compiled.keras").read_bytes())
    assert {"class_name": "Sequential", "model_name": "tiny"}.items() <= inspection.metadata.items()
    assert "keras_version" in inspection.metadata
    assert {"config.json", "metadata.json"} == set(inspection.consumed)


def test_plain_bytecode_is_high_and_acting_bytecode_critical() -> None:
    """Bytecode that names nothing sharp is high in an archive; bytecode that names os.system is critical."""
    plain = look(keras_files.inspect, (REAL / "lambda.keras").read_bytes())
    assert [("keras-lambda", Severity.HIGH)] == [(item.rule.id, item.severity) for item in plain.findings]
    layer = {"class_name": "Lambda", "config": {"function": {
        "class_name": "__lambda__", "config": {"code": marshalled("os", "system", "echo inert")}}}}  # fmt: skip
    acting = look(keras_files.inspect, keras_archive(layer)).findings
    assert [Severity.CRITICAL] == [item.severity for item in acting]
    assert "'os', 'system'" in acting[0].message
    assert "echo inert" in acting[0].evidence[0]


@pytest.mark.parametrize(
    ("module", "name", "function", "severity"),
    [
        ("keras.layers", "Dense", False, None),
        ("keras.src.models.functional", "Functional", False, None),
        ("keras.engine.functional", "Functional", False, None),
        ("tensorflow.python.keras.layers.core", "Dense", False, None),
        ("tf_keras.src.engine.sequential", "Sequential", False, None),
        ("keras.trainers.compile_utils", "MetricsList", False, None),
        ("builtins", "relu", True, None),
        (None, "package>Layer", False, None),
        (None, "TFSMLayer", False, Severity.HIGH),
        ("tensorflow_hub.keras_layer", "KerasLayer", False, Severity.HIGH),
        ("builtins", "eval", True, Severity.CRITICAL),
        ("builtins", "print", False, Severity.CRITICAL),
        ("os", "system", True, Severity.CRITICAL),
        ("distutils.spawn", "spawn", True, Severity.CRITICAL),
        ("keras.utils", "get_file", True, Severity.CRITICAL),
        ("tensorflow.keras.utils", "get_file", True, Severity.CRITICAL),
        ("keras.utils", "image_dataset_from_directory", True, Severity.HIGH),
        ("keras.callbacks", "RemoteMonitor", False, Severity.HIGH),
        ("keras.nowhere", "Thing", False, Severity.MEDIUM),
        ("tensorflow.python.ops.io_ops", "write_file", True, Severity.HIGH),
        ("tensorflow", "py_function", True, Severity.HIGH),
        ("tensorflow.python.framework.tensor_spec", "TensorSpec", False, None),
        ("torch", "load", True, Severity.HIGH),
        ("transformers.models.bert", "TFBertMainLayer", False, Severity.MEDIUM),
        ("code.layers", "Mine", False, Severity.MEDIUM),
        ("code", "interact", True, Severity.CRITICAL),
        ("my_package.layers", "Mine", False, Severity.MEDIUM),
        ("__main__", "Mine", False, Severity.MEDIUM),
        ("keras." + "x" * 5000, "Thing", False, Severity.MEDIUM),
    ],
)
def test_names_are_judged(module: str | None, name: str, function: bool, severity: Severity | None) -> None:
    """A plain part of a model is no finding; what acts is judged by what it does."""
    judgement = judge_object(module, name, is_function=function)
    assert severity == (judgement.severity if judgement else None)


def _layer(name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": name, "config": config}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (_layer("Lambda", function="my_function"), "calls 'my_function', which is not in the file"),
        (_layer("Lambda", function="system", module="os"), "which is of Python's standard library"),
        (_layer("Lambda", function=["x" * 20, None, None]), "the function of a Lambda layer is Python bytecode"),
        (_layer("Lambda", output_shape=["\u00e9" * 8], output_shape_type="lambda"), "the output_shape of a Lambda"),
        (_layer("Lambda", mask="raw text", mask_type="raw"), "the mask of a Lambda layer"),
        (_layer("TextVectorization", vocabulary="words.txt"), "a file beside the program"),
        (_layer("TensorFlowOpLayer", node_def={"op": "ReadFile"}), "runs 'ReadFile', which reads files"),
        ({"class_name": "function", "config": None, "registered_name": "system", "module": "os"}, "'os.system'"),
        ({"class_name": "__lambda__", "config": marshalled("eval")}, "uses 'eval'"),
        ({"class_name": "__lambda__", "config": [marshalled("exec"), 5]}, "uses 'exec'"),
    ],
)  # fmt: skip
def test_forms_of_layers(layer: dict[str, Any], message: str) -> None:
    """Older and odder forms of the same things are judged too."""
    assert message in messages(look(keras_files.inspect, keras_archive(layer)))


def test_what_is_no_archive() -> None:
    """A file that is no archive, or one without a configuration, is malformed."""
    with pytest.raises(MalformedFile):
        look(keras_files.inspect, b"PK")
    with pytest.raises(MalformedFile, match=r"no config\.json"):
        look(keras_files.inspect, g.zipped(("metadata.json", "{}")))


def test_configurations_that_cannot_be_read_are_said_so() -> None:
    """A configuration that is no JSON, or too deep, is a finding, and is not taken as looked at."""
    broken = look(keras_files.inspect, g.zipped(("config.json", "{"), ("metadata.json", "[")))
    assert (["malformed-file"] * 2, Coverage.PARTIAL, ()) == (rules(broken), broken.coverage, broken.consumed)
    deep = look(keras_files.inspect, g.zipped(("config.json", "[" * 2000)))
    assert ["inspection-incomplete"] == rules(deep)
    large = look(keras_files.inspect, g.zipped(("config.json", '"' + "a" * 300 + '"')), limits=Limits(json_bytes=100))
    assert ["inspection-incomplete"] == rules(large)


def test_architecture_files() -> None:
    """An architecture file is judged like a configuration; other JSON is no architecture."""
    assert [] == rules(look(keras_files.inspect_architecture, (REAL / "sequential.config.json").read_bytes()))
    with pytest.raises(MalformedFile, match="describes no Keras model"):
        look(keras_files.inspect_architecture, b"[]")
    with pytest.raises(LimitExceeded):
        look(keras_files.inspect_architecture, bytes(200), limits=Limits(json_bytes=100))


def test_documents_of_any_name() -> None:
    """A parsed document is judged if it describes a Keras object, and left alone if it does not."""
    sharp = keras_config({"class_name": "function", "config": "system", "module": "os"})
    for document, expected in ((sharp, ["keras-unsafe-config"]), ([sharp], []), ({"class_name": "X"}, [])):
        file = RepoFile(path="x.json", size=1, format=Format.JSON, role=Role.CONFIG)
        seen = Observations(file, Limits())
        judge_document(seen, document, safe_mode=True)
        assert expected == rules(seen.inspection())


def test_escaped_keys_are_the_same_keys() -> None:
    """A key that is spelled with escapes is judged like any other."""
    text = json.dumps(keras_config({"class_name": "function", "config": "system", "module": "os"}))
    raw = text.replace("class_name", "\\u0063lass_name").encode()
    assert ["keras-unsafe-config"] == rules(look(keras_files.inspect_architecture, raw))


def test_numbers_of_many_digits_are_refused() -> None:
    """A number that Python refuses to convert is malformed JSON; a deep document is beyond the limit."""
    with pytest.raises(MalformedFile, match="not JSON"):
        parse_json("9" * 5000, Limits())
    with pytest.raises(LimitExceeded, match="deeper"):
        parse_json("[" * 200, Limits())
    with pytest.raises(LimitExceeded, match="characters"):
        parse_json("[" * 200, Limits(json_bytes=100))
    with pytest.raises(LimitExceeded, match="bytes"):
        read_json(MemorySource(bytes(200)), Limits(json_bytes=100))

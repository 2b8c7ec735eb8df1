"""Hostile graph files are found, ordinary ones are not accused, and no bytes make an inspector fail."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from fixtures import graph_bytes as g
from fixtures import hostile_graphs
from fixtures.hostile_case import Case
from fixtures.hostile_graphs import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.components import Inspection
from aibom.errors import FileFault
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Severity
from aibom.formats import recognize
from aibom.inspectors import (
    INSPECTORS,
    coreml_models,
    hdf5_files,
    keras_files,
    tensorflow_models,
    triton_configs,
)
from aibom.inspectors.protocol import Inspector
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

REAL = Path(__file__).parents[2] / "fixtures" / "real"
TABLE: Mapping[Format, Inspector] = {
    **INSPECTORS,
    Format.KERAS_CONFIG: keras_files.inspect_architecture,
    Format.TF_GRAPHDEF: tensorflow_models.inspect_graph,
    Format.TF_KERAS_METADATA: tensorflow_models.inspect_keras_metadata,
    Format.COREML_MANIFEST: coreml_models.inspect_manifest,
    Format.TRITON_CONFIG: triton_configs.inspect,
}


def build(case: Case) -> bytes:
    with warnings.catch_warnings():
        # zipfile warns of the duplicate name that one case is about.
        warnings.simplefilter("ignore")
        return case.build()


def kind_of(case: Case) -> Format:
    raw = build(case)
    return recognize(case.file_name, raw[:4096], len(raw), MemorySource(raw))


def look(kind: Format, name: str, raw: bytes, limits: Limits | None = None) -> Inspection:
    file = RepoFile(path=name, size=len(raw), format=kind, role=Role.WEIGHTS)
    return TABLE[kind](file, MemorySource(raw), limits or Limits())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hostile_files_are_found(case: Case) -> None:
    """Every hostile file is known by its bytes, and gets the findings that its technique calls for."""
    raw = build(case)
    found = {finding.rule.id for finding in look(kind_of(case), case.file_name, raw).findings}
    assert case.expected_rule_ids <= found


def test_case_names_are_unique() -> None:
    """Each case has a name of its own, and a reference."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(case.reference.startswith("https://") for case in CASES)


_ORDINARY = [
    *((Format.ONNX, path) for path in sorted(REAL.glob("onnx/*.onnx"))),
    *((Format.KERAS_V3, path) for path in sorted(REAL.glob("keras/*.keras")) if path.stem != "lambda"),
    *((Format.HDF5, path) for path in sorted(REAL.glob("keras/*.h5")) if path.stem != "lambda_legacy"),
    *((Format.HDF5, path) for path in sorted(REAL.glob("keras/*.hdf5"))),
    *((Format.HDF5, path) for path in sorted(REAL.glob("h5py/*"))),
    *((Format.KERAS_CONFIG, path) for path in sorted(REAL.glob("keras/*.config.json"))),
    *((Format.SKOPS, path) for path in sorted(REAL.glob("sklearn/*.skops"))),
    (Format.XGBOOST_JSON, REAL / "xgboost/model.json"),
    (Format.XGBOOST_UBJ, REAL / "xgboost/model.ubj"),
    (Format.LIGHTGBM_TEXT, REAL / "lightgbm/model.txt"),
    (Format.FLAX_MSGPACK, REAL / "flax/flax_model.msgpack"),
]


@pytest.mark.parametrize(
    ("kind", "path"), _ORDINARY, ids=lambda value: value.name if isinstance(value, Path) else value
)
def test_files_of_the_real_libraries_are_not_accused(kind: Format, path: Path) -> None:
    """A file that the real library wrote in normal use gives no finding, and all of it is looked at."""
    inspection = look(kind, path.name, path.read_bytes())
    assert inspection.findings == ()
    assert inspection.coverage is Coverage.COMPLETE


def _keras(*layers: object) -> bytes:
    return hostile_graphs.keras_archive(*layers)


def _layer(kind: str, module: str | None = "keras.layers", **config: object) -> dict[str, object]:
    return {"class_name": kind, "module": module, "config": config, "registered_name": None}


_BUILT: dict[str, tuple[Format, str, bytes]] = {
    "onnx external data in a subfolder": (
        Format.ONNX, "m.onnx",
        g.onnx_model(g.onnx_graph(tensors=[g.onnx_tensor("w", external={"location": "data/w..bin", "length": "8"})])),
    ),
    "onnx operators of the runtime": (
        Format.ONNX, "m.onnx", g.onnx_model(g.onnx_graph(nodes=[g.onnx_node("Gelu", domain="com.microsoft")])),
    ),
    "onnx functions of its own": (
        Format.ONNX, "m.onnx",
        g.onnx_model(g.onnx_graph(nodes=[g.onnx_node("F", domain="pkg.torch")]), (25, [(1, "F"), (10, "pkg.torch")])),
    ),
    "keras activation by name": (
        Format.KERAS_V3, "m.keras",
        _keras(_layer("Dense", activation={"class_name": "function", "module": "builtins", "config": "relu"})),
    ),
    "keras operation": (
        Format.KERAS_V3, "m.keras",
        _keras(_layer("Lambda", function={"class_name": "function", "module": "keras.ops", "config": "gelu"})),
    ),
    "keras hub model": (
        Format.KERAS_V3, "m.keras", _keras(_layer("BertBackbone", "keras_hub.src.models.bert.bert_backbone")),
    ),
    "keras of tensorflow": (
        Format.KERAS_V3, "m.keras", _keras(_layer("Dense", "tensorflow.python.keras.layers.core")),
    ),
    "keras vocabulary in the file": (
        Format.KERAS_V3, "m.keras", _keras(_layer("StringLookup", vocabulary=["os", "system", "/etc/passwd"])),
    ),
    "keras registered class": (Format.KERAS_V3, "m.keras", _keras(_layer("my_package>Block", None))),
    "keras layer named like a program": (Format.KERAS_V3, "m.keras", _keras(_layer("Dense", name="os.system"))),
    "keras 2 functional operation": (
        Format.KERAS_H5, "m.h5",
        g.hdf5_with_attribute(
            "model_config", '{"class_name": "TFOpLambda", "config": {"function": "math.reduce_mean"}}'
        ),
    ),
    "hdf5 dataset mapped from its own file": (
        Format.HDF5, "m.h5",
        g.hdf5(lambda w: w.group(g.hard_link("v", w.dataset((4,), virtual=".")))),
    ),
    "hdf5 soft link": (
        Format.HDF5, "m.h5",
        g.hdf5(lambda w: w.group(g.hard_link("w", w.dataset((4,))), g.soft_link("s", "/w"))),
    ),
    "saved model with its checkpoint operations": (
        Format.TF_SAVEDMODEL, "saved_model.pb",
        g.saved_model(g.tf_graph(g.tf_text("save/Const", "model"), g.tf_node("s", "SaveV2", "save/Const"),
                                 g.tf_node("m", "MergeV2Checkpoints"), g.tf_node("r", "RestoreV2", "saver_filename"))),
    ),
    "saved model that prints to the console": (
        Format.TF_SAVEDMODEL, "saved_model.pb",
        g.saved_model(g.tf_graph(g.tf_node("p", "PrintV2", attributes={"output_stream": g.message((2, "stderr"))}))),
    ),
    "saved model with words of danger as data": (
        Format.TF_SAVEDMODEL, "saved_model.pb",
        g.saved_model(g.tf_graph(g.tf_text("v", "ReadFile /etc/passwd PyFunc"), g.tf_node("m", "MatMul"))),
    ),
    "tflite with a stock custom operator": (
        Format.TFLITE, "m.tflite", hostile_graphs.tflite("TFLite_Detection_PostProcess"),
    ),
    "core ml network": (Format.COREML, "m.mlmodel", hostile_graphs.coreml(500, g.message((1, [(1, "l"), (140, [])])))),
    "core ml weights in the package": (
        Format.COREML, "m.mlmodel", hostile_graphs.mil(hostile_graphs.mil_blob("@model_path/weights/weight.bin")),
    ),
    "core ml manifest": (
        Format.COREML_MANIFEST, "Manifest.json",
        b'{"itemInfoEntries": {"a": {"path": "com.apple.CoreML/model.mlmodel"}}, "rootModelIdentifier": "a"}',
    ),
    "nemo configuration": (
        Format.YAML, "model_config.yaml",
        (b"target: nemo.collections.asr.models.EncDecCTCModel\nencoder:\n  _target_: nemo.collections.asr.modules.X\n"
        b"optim: {name: adamw, betas: [0.9, 0.98]}\n"),
    ),
    "yaml that names a target in prose": (Format.YAML, "c.yaml", b"target: production\nfunction: os system\n"),
    "yaml with plain tags": (Format.YAML, "c.yaml", b"a: !!python/tuple [1, 2]\nb: !!str 5\nc: !!binary aGk=\n"),
    "speechbrain configuration": (
        Format.YAML, "hyperparams.yaml", b"encoder: !new:speechbrain.nnet.RNN.LSTM\n  hidden: !ref <h>\nh: 5\n",
    ),
    "mlflow model": (
        Format.MLFLOW, "MLmodel",
        (b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    model_path: model.pkl\n    code: null\n"
        b"mlflow_version: 2.9.2\n"),
    ),
    "triton model": (
        Format.TRITON_CONFIG, "config.pbtxt",
        b'name: "m"\nplatform: "onnxruntime_onnx"\ninput [{name: "backend" data_type: TYPE_FP32 dims: [-1]}]\n',
    ),
    "torchserve with a stock handler": (
        Format.TORCHSERVE_MAR, "m.mar",
        g.zipped(("MAR-INF/MANIFEST.json", '{"model": {"modelName": "m", "handler": "image_classifier"}}')),
    ),
    "skops with dates": (
        Format.SKOPS, "m.skops",
        hostile_graphs.skops(__class__="timezone", __module__="datetime", __loader__="ConstructorFromReduceNode"),
    ),
    "skops with a numpy function": (
        Format.SKOPS, "m.skops", hostile_graphs.skops(__class__="log1p", __module__="numpy", __loader__="FunctionNode"),
    ),
    "openvino network": (
        Format.OPENVINO, "openvino_model.xml",
        (b'<?xml version="1.0"?><net version="11"><layers><layer id="0" name="w" type="Const" version="opset1">'
        b'<data element_type="f32" shape="2, 3" offset="0" size="24"/></layer></layers>'
        b'<rt_info><Runtime_version value="2025.0"/></rt_info></net>'),
    ),
    "pmml tree": (
        Format.PMML, "m.pmml",
        (b'<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header><Application name="JPMML"/></Header>'
        b'<TreeModel functionName="classification"><Apply function="+"/></TreeModel></PMML>'),
    ),
    "r list with a closure and a forced promise": (
        Format.RDS, "m.rds",
        g.r_stream(g.r_item(19), (2).to_bytes(4, "big"),
                   g.r_item(3, flags=0x400), g.r_item(253), g.r_item(254), g.r_call("sum", "x"),
                   g.r_item(5, flags=0x400), g.r_item(253), g.r_text("v"), g.r_call("f", "x")),
    ),
    "flax arrays": (
        Format.FLAX_MSGPACK, "flax_model.msgpack",
        g.msgpack({"params": {"w": g.flax_array([2, 3], "float32", bytes(24))}}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _BUILT)
def test_what_looks_alarming_and_is_not(name: str) -> None:
    """What resembles an attack, and is ordinary, gives nothing above info."""
    inspection = look(*_BUILT[name])
    assert [item.message for item in inspection.findings if item.severity is not Severity.INFO] == []
    assert inspection.coverage is Coverage.COMPLETE


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_truncation_is_survived(case: Case) -> None:
    """A hostile file cut anywhere near its end, or in the middle, raises nothing but the two faults."""
    raw, kind = build(case), kind_of(case)
    for length in {0, 1, 4, 8, 16, len(raw) // 3, len(raw) // 2, *range(max(0, len(raw) - 40), len(raw))}:
        try:
            look(kind, case.file_name, raw[:length])
        except FileFault:
            continue


@settings(max_examples=200, deadline=None)
@given(
    case=st.sampled_from([case for case in CASES if case.name != "hdf5-bomb"]),
    edits=st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=9)), min_size=1, max_size=6),
)
def test_no_damage_makes_an_inspector_fail(case: Case, edits: list[tuple[int, bytes]]) -> None:
    """Bytes changed inside a well-formed file of any format raise nothing but the two faults."""
    raw, kind = bytearray(build(case)), kind_of(case)
    for place, patch in edits:
        at = place % max(1, len(raw))
        raw[at : at + len(patch)] = patch
    try:
        look(kind, case.file_name, bytes(raw))
    except FileFault:
        return


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted({kind_of(case) for case in CASES})), raw=st.binary(max_size=300))
def test_any_bytes_are_survived(kind: Format, raw: bytes) -> None:
    """Any bytes at all raise nothing but the two faults, whatever format they are taken for."""
    try:
        look(kind, "file", raw)
    except FileFault:
        return


def test_findings_are_bounded() -> None:
    """A file with more faults than the limit says that there were more, and is not covered whole."""
    tensors = [g.onnx_tensor(f"w{index}", external={"location": f"../{index}"}) for index in range(10)]
    inspection = look(Format.ONNX, "m.onnx", g.onnx_model(g.onnx_graph(tensors=tensors)), Limits(findings_per_file=3))
    assert [item.rule.id for item in inspection.findings] == ["path-traversal"] * 3 + ["inspection-incomplete"]
    assert inspection.coverage is Coverage.PARTIAL


def test_hdf5_is_one_inspector_for_keras_too() -> None:
    """A Keras model is found in HDF5 whatever the file is taken for."""
    case = next(case for case in CASES if case.name == "keras-h5-lambda")
    file = RepoFile(path="w.hdf5", size=1, format=Format.HDF5, role=Role.WEIGHTS)
    found = hdf5_files.inspect(file, MemorySource(build(case)), Limits()).findings
    assert ["keras-lambda"] == [finding.rule.id for finding in found]

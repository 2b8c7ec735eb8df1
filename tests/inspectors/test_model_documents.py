"""YAML, MLflow, Triton, TorchServe, skops, XML."""

from __future__ import annotations

import json

import pytest
from fixtures import graph_bytes as g
from fixtures.hostile_graphs import skops
from tests.inspectors.graph_helpers import look, messages, rules, tensors

from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Coverage
from aibom.findings import Severity
from aibom.inspectors import (
    mlflow_models,
    skops_files,
    torchserve_archives,
    triton_configs,
    xml_models,
    yaml_files,
)
from aibom.inspectors.code_targets import judge_target
from aibom.inspectors.foreign_paths import why_outside
from aibom.inspectors.foreign_xml import parse_xml
from aibom.inspectors.foreign_yaml import read_scalars
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("weights/w.bin", None), ("w..bin", None), ("a/.hidden/b", None), ("...", None),
        ("../w", "climbs with `..`"), ("a/../b", "climbs with `..`"), ("a\\..\\b", "climbs with `..`"),
        ("/etc/passwd", "is absolute"), ("\\\\host\\share", "is absolute"), ("c:x", "is absolute"),
        ("https://h/x", "is a URL"), ("file:x", "is a URL"), ("s3://b/k", "is a URL"),
        ("a\nb", "holds control characters"), ("~/x", "starts in a home directory"),
    ],
)  # fmt: skip
def test_paths(path: str, why: str | None) -> None:
    """A path leads outside the folder, or it does not."""
    assert why == why_outside(path)


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("nemo.collections.X", None), ("code.models.Net", Severity.MEDIUM),
        ("collections.OrderedDict", None), ("os.system", Severity.CRITICAL),
        ("torch.hub.load", Severity.CRITICAL), ("nemo.utils.os.system", Severity.CRITICAL),
        ("who.knows", Severity.MEDIUM),
    ],
)  # fmt: skip
def test_targets(name: str, severity: Severity | None) -> None:
    """A dotted name is judged by what it reaches."""
    found = judge_target(name, frozenset({"nemo", "torch"}))
    assert severity == (found.severity if found else None)


def scalars(text: str, limits: Limits | None = None) -> list[tuple[tuple[str, ...], str, str]]:
    found = read_scalars(MemorySource(text.encode()), limits or Limits())
    return [(item.path, item.value, item.tag) for item in found]


def test_yaml_paths() -> None:
    """A scalar comes with the keys that lead to it, through lists, aliases and odd keys."""
    text = "a: {b: [1, {c: 2}]}\n? [x, y]\n: 3\nd: &z 4\ne: *z\nf: 5\n"
    assert [("a", "b"), ("a", "b", "c"), ("",), ("",)][:2] == [path for path, _, _ in scalars(text)][:2]
    assert (("f",), "5", "") == scalars(text)[-1]


def test_yaml_bounds() -> None:
    """Size and depth are bounded, and an alias bomb costs nothing."""
    with pytest.raises(LimitExceeded, match="bytes"):
        scalars("a" * 20, Limits(yaml_bytes=10))
    with pytest.raises(LimitExceeded, match="deeper"):
        scalars("[" * 300)
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    assert len(scalars(bomb)) < 100
    with pytest.raises(MalformedFile, match="not YAML"):
        scalars("a: [1")


def test_yaml_findings() -> None:
    """Tags and targets are findings with their line; what follows a fault is said not to be read."""
    found = look(yaml_files.inspect, b"a: 1\nb: !!python/name:os.system\n").findings
    assert [("yaml-object-tag", Severity.CRITICAL, 2)] == [
        (item.rule.id, item.severity, item.location.line if item.location else None) for item in found
    ]
    assert ["yaml-object-tag"] == rules(look(yaml_files.inspect, b"b: !!python/object:my.Class {}\n"))
    broken = look(yaml_files.inspect, b"_target_: os.system\nb: [1\n")
    assert (["hydra-target", "malformed-file"], Coverage.PARTIAL) == (sorted(rules(broken)), broken.coverage)
    with pytest.raises(MalformedFile):
        look(yaml_files.inspect, b"[")


def test_yaml_templates() -> None:
    """A chat template in YAML is judged like one in JSON, wherever it stands; an ordinary one is not accused."""
    found = look(yaml_files.inspect, b"a:\n  chat_template: |\n    {{ ''.__class__ }}\n")
    assert ["template-injection"] == rules(found)
    ordinary = b"chat_template_jinja: '{% for m in messages %}{{ m.content }}{% endfor %}'\nchat_template: chatml\n"
    assert [] == rules(look(yaml_files.inspect, ordinary))


def test_nemo_facts() -> None:
    """A NeMo configuration says its class and version; an unknown class is medium."""
    raw = b"target: mine.Model\nnemo_version: 2.0.0\n"
    found = look(yaml_files.inspect, raw, name="model_config.yaml")
    assert {"target": "mine.Model", "nemo_version": "2.0.0"} == dict(found.metadata)
    assert [Severity.MEDIUM] == [item.severity for item in found.findings]
    assert [] == rules(look(yaml_files.inspect, raw, name="other.yaml"))


def test_mlflow_facts() -> None:
    """Versions and run are facts; a Python tag is a finding."""
    found = look(mlflow_models.inspect, b"mlflow_version: 2.9.2\nrun_id: abc\n")
    assert {"mlflow_version": "2.9.2", "run_id": "abc"} == dict(found.metadata)
    assert ["mlflow-code"] == rules(look(mlflow_models.inspect, b"a: !!python/object:x.Y {}\n"))


def test_triton_settings() -> None:
    """Settings at the top are read, in both quotes and bracket forms; comments and nested names are not."""
    raw = b'# backend: "python"\nname: "m"\nplatform: \'tensorrt_plan\'\n'
    raw += b'instance_group <\n backend: "python"\n>\nruntime: "x.so"'
    found = look(triton_configs.inspect, raw)
    assert {"name": "m", "platform": "tensorrt_plan", "runtime": "x.so"} == dict(found.metadata)
    assert "the runtime library 'x.so'" in messages(found)
    assert len(found.findings) == 1
    with pytest.raises(LimitExceeded):
        look(triton_configs.inspect, bytes(20), limits=Limits(text_bytes=10))


def test_torchserve_manifests() -> None:
    """Handler and requirements are judged; an archive without a manifest is malformed."""
    manifest = {"runtime": "python", "model": {"handler": "h.py", "requirementsFile": "requirements.txt"}}
    found = look(torchserve_archives.inspect, g.zipped(("MAR-INF/MANIFEST.json", json.dumps(manifest))))
    assert [Severity.MEDIUM, Severity.LOW] == [item.severity for item in found.findings]
    assert ["h.py", "requirements.txt"] == [item.path for item in found.references]
    with pytest.raises(MalformedFile, match="MANIFEST"):
        look(torchserve_archives.inspect, g.zipped(("a", "b")))
    for content in ("[]", "{"):
        broken = look(torchserve_archives.inspect, g.zipped(("MAR-INF/MANIFEST.json", content)))
        assert ["malformed-file"] == rules(broken)


def test_skops_forms() -> None:
    """Unknown loaders and packages are medium; methods of known types are none; a schema must be an object."""
    custom = look(skops_files.inspect, skops(__class__="X", __module__="mine", __loader__="ObjectNode"))
    odd = look(skops_files.inspect, skops(__class__="SVC", __module__="sklearn.svm", __loader__="EvilNode"))
    assert [Severity.MEDIUM] * 2 == [item.severity for found in (custom, odd) for item in found.findings]
    content = {"func": "fit", "obj": {"__class__": "SVC", "__module__": "sklearn.svm", "__loader__": "ObjectNode"}}
    method = skops(__class__="SVC", __module__="sklearn.svm", __loader__="MethodNode", content=content)
    assert [] == rules(look(skops_files.inspect, method))
    orphan = skops(__class__="SVC", __module__="sklearn.svm", __loader__="MethodNode")
    assert "without an object" in messages(look(skops_files.inspect, orphan))
    with pytest.raises(MalformedFile, match=r"schema\.json"):
        look(skops_files.inspect, g.zipped(("a", "b")))
    assert ["malformed-file"] == rules(look(skops_files.inspect, g.zipped(("schema.json", "[]"))))
    twin = '{"__class__": "a", "__class__": "b"}'
    assert ["malformed-file"] == rules(look(skops_files.inspect, g.zipped(("schema.json", twin))))


def _net(layers: str) -> bytes:
    return f'<net version="11" name="m"><layers>{layers}</layers></net>'.encode()


def test_openvino_weights() -> None:
    """Constants lead to their bytes in the `.bin` beside, and are counted by type."""
    raw = _net('<layer name="w"><data element_type="f16" shape="2, 3" offset="8" size="12"/></layer>')
    found = look(xml_models.inspect_openvino, raw, name="openvino_model.xml")
    assert ({"F16": 6}, True) == (tensors(found).elements_by_dtype, tensors(found).complete)
    assert [("openvino_model.bin", 8, 12)] == [(item.path, item.offset, item.length) for item in found.references]


def test_xml_faults() -> None:
    """Another root, broken XML, bad shapes and endless depth are faults."""
    for raw in (b"<html/>", b"<net", b""):
        with pytest.raises(MalformedFile):
            look(xml_models.inspect_openvino, raw)
    with pytest.raises(MalformedFile, match="not PMML"):
        look(xml_models.inspect_pmml, b"<net/>")
    bad = _net('<layer name="w"><data element_type="f32" shape="x" offset="0" size="4"/></layer>')
    assert "no valid shape" in messages(look(xml_models.inspect_openvino, bad))
    assert ["inspection-incomplete"] == rules(look(xml_models.inspect_openvino, b"<net>" + b"<a>" * 300))
    assert ["malformed-file"] == rules(look(xml_models.inspect_pmml, b"<PMML><a>"))


def test_pmml_facts() -> None:
    """The application and the kind of model are facts; scripts are findings."""
    raw = (
        b'<PMML version="4.4"><Header><Application name="R"/></Header><TreeModel functionName="regression">'
        b'<Extension name="x-script"/><script/></TreeModel></PMML>'
    )
    found = look(xml_models.inspect_pmml, raw)
    assert {"version": "4.4", "application": "R", "model": "TreeModel", "function": "regression"} == dict(
        found.metadata
    )
    assert ["xml-custom-code"] * 2 == rules(found)


def test_an_entity_bomb_costs_nothing() -> None:
    """Nested entities end the reading where they are declared."""
    bomb = '<!DOCTYPE net [<!ENTITY a "x">' + "".join(
        f'<!ENTITY {chr(98 + n)} "&{chr(97 + n)};&{chr(97 + n)};">' for n in range(20)
    )
    found = look(xml_models.inspect_openvino, (bomb + "]><net>&u;</net>").encode())
    assert (["xml-entity"], Coverage.PARTIAL) == (rules(found), found.coverage)


def test_xml_size_is_bounded() -> None:
    """XML larger than the bound is not read."""

    class Huge(MemorySource):
        def __init__(self) -> None:
            super().__init__(b"<net>")
            self.size = 1 << 40

    with pytest.raises(FileFault, match="limit"):
        parse_xml(Huge(), Limits(), start=lambda _name, _attributes: None)

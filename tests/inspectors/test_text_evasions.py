"""Ways around a reader of text: other encodings, other forms of an assignment, ways to a function without its name."""

from __future__ import annotations

import json

import pytest
from tests.inspectors.reading import read, rule_ids

from aibom.findings import Severity


def worst(source: str) -> set[tuple[str, str]]:
    findings = read("modeling_custom.py", source.encode()).findings
    return {(finding.rule.id, finding.severity.value) for finding in findings}


@pytest.mark.parametrize(
    "source",
    [
        "import os\n(f := os.system)('echo aibom')",
        "import os\n(f := os.system)\nf('echo aibom')",
        "import os\na = b = os.system\na('echo aibom')",
        "import os\nf: object = os.system\nf('echo aibom')",
        "import os\nf = os.system if True else None\nf('echo aibom')",
        "import os\nf = None or os.system\nf('echo aibom')",
        "import os\ndef g(f=os.system):\n    f('echo aibom')\ng()",
        "import os\ndef g(*, f=os.system):\n    f('echo aibom')\ng()",
        "import os\nclass M(type):\n    def __new__(m, *a):\n        os.system('x')\nclass A(metaclass=M): pass",
        "import ctypes\nctypes.CDLL(None).system(b'echo aibom')",
        "import ctypes\nlibc = ctypes.CDLL('libc.so.6')\nlibc.execve(b'/bin/echo', None, None)",
        "import pickle\npickle.loads(b'cposix\\nsystem\\n(S\\'echo aibom\\'\\ntR.')",
        "().__class__.__base__.__subclasses__()[100]('echo aibom')",
        "''.__class__.__mro__[1].__subclasses__()",
        "object.__subclasses__()",
    ],
)
def test_ways_to_a_function_are_followed(source: str) -> None:
    """A command at import is grave in whatever form its function is reached."""
    assert ("malicious-code", "high") in worst(source)


@pytest.mark.parametrize(
    "source",
    [
        "class Base:\n    @classmethod\n    def kinds(cls):\n        return cls.__subclasses__()",
        "class Base: pass\nKINDS = {c.__name__: c for c in Base.__subclasses__()}",
        "import pickle\ndef load(path):\n    with open(path, 'rb') as f:\n        return pickle.loads(f.read())",
        "class Model(Base, metaclass=Meta):\n    def forward(self, x): return x",
        "import torch\nattention = torch.nn.functional.softmax if True else None",
        "class Engine:\n    def system(self): return 1\nEngine().system()",
    ],
)
def test_ordinary_forms_are_let_be(source: str) -> None:
    """Registries of subclasses, metaclasses and choices between functions are no payloads."""
    assert not [rule for rule, severity in worst(source) if Severity(severity).at_least(Severity.MEDIUM)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "utf-8"])
def test_yaml_in_its_encodings(encoding: str) -> None:
    """Tags are found in every encoding that PyYAML reads."""
    text = "x: !!python/object/apply:os.system [echo aibom]\n"
    raw = ("\ufeff" + text if encoding == "utf-16-le" else text).encode(encoding)
    assert "yaml-object-tag" in rule_ids(read("hparams.yaml", raw))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_keras_json_in_its_encodings(encoding: str) -> None:
    """A configuration is judged in every encoding that Python's JSON reads and that a text can be told by."""
    layer = {"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wA="}}}}
    document = {"class_name": "Sequential", "config": {"layers": [layer]}}
    assert "keras-lambda" in rule_ids(read("model.json", json.dumps(document).encode(encoding)))


def test_path_files_are_code_where_they_import() -> None:
    """A `.pth` of text with a line that imports is judged as Python; a list of folders is a text."""
    assert "malicious-code" in rule_ids(read("custom.pth", b"import os; os.system('echo aibom')\n"))
    assert {"extension-mismatch"} >= rule_ids(read("paths.pth", b"../lib\n/opt/lib\n"))

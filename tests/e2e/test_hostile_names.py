"""A repository whose names and texts are attacks, scanned and written in every format: all of it stays text."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from aibom.emitters import EMITTERS
from aibom.files import escape_name, unescape_name

NAMES = (
    b"line\nbreak.txt",
    b"\x1b[2J\x1b]0;owned\x07paint.md",
    b"<script>alert(1)\xe2\x81\x84script>.txt",
    b"<img src=x onerror=alert(1)>.json",
    b'=HYPERLINK("http:evil.example","x").csv',
    b"+cmd|' C calc'!A0.csv",
    b"-model.safetensors",
    b"invoice\xe2\x80\xaegnp.pkl",
    b"zero\xe2\x80\x8bwidth.py",
    b"latin\xe9\xff.bin",
    b"back\\slash\\u{1b}.txt",
    b"| a | b |.md",
    b"](javascript:alert(1)).md",
    b"&#x3c;b&#x3e;.html",
    b"\xc2\x9b31mC1.txt",
    b"' onmouseover='alert(1).txt",
    b"\xf3\xa0\x81\xa1tags.txt",
    b"`$(touch owned)`.sh",
    b"%s%n{0}{{7*7}}{% x %}.txt",
)
CARD = """---
license: "mit\\e[31m"
language: ["<script>alert(1)</script>", "=1+1"]
base_model: "acme/<img src=x onerror=alert(1)>"
datasets: ["javascript:alert(1)", "a\\u202eb/c"]
model_name: "\\u202e</title><script>alert(1)</script>"
tags: ["]]>", "--><script>alert(1)</script>"]
model-index:
- name: "=cmd|' /C calc'!A0"
  results:
  - task: {type: "<svg onload=alert(1)>", name: "\\e]8;;http://evil.example\\a"}
    dataset: {type: x, name: "<iframe src=http://evil.example>"}
    metrics: [{type: "@SUM(1)", value: "<b>1</b>"}]
---
# \x1b[31mRed\x1b[0m <script>alert(1)</script>

[click](javascript:alert(1)) ![](http://evil.example/x.png) <http://evil.example/>

Intended use: <img src=x onerror=alert(1)> \u202eabc\u202c \x9b2J
"""
CONFIG = {"model_type": "<script>alert(1)</script>", "architectures": ["=1+1\u001b[2J"], "auto_map": {"A": "<b>.C"}}
# Calls something whose argument is an attack on whoever shows it.
PICKLE = b"cposix\nsystem\n(V<script>alert(1)</script>\\u001b[31m\\u202e=1+1\ntR."


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hostile")
    target = os.fsencode(folder) + b"/mo\x1bdel<b>\xe2\x80\xae"
    os.mkdir(target)
    for name in NAMES:
        with open(os.path.join(target, name), "wb") as file:
            file.write(PICKLE if name.endswith((b".pkl", b".bin", b".safetensors")) else b"text of " + name)
    Path(os.fsdecode(target), "README.md").write_text(CARD)
    Path(os.fsdecode(target), "config.json").write_text(json.dumps(CONFIG))
    command: list[str | bytes] = [sys.executable, "-m", "aibom", "scan", target]
    for output in EMITTERS:
        command += ["-o", f"{output}={folder}/out.{output}"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, cwd=folder)
    assert 1 == done.returncode, done.stderr
    assert not set(done.stdout + done.stderr) & (set(range(32)) - {10})
    colored = subprocess.run(
        [sys.executable, "-m", "aibom", "scan", target, "--color", "always"], capture_output=True, check=False
    )
    return {name: (folder / f"out.{name}").read_text("utf-8") for name in EMITTERS} | {
        "terminal": colored.stdout.decode()
    }


COMMANDS: dict[str, list[str]] = {
    "score": ["score", "out.cyclonedx", "--explain"],
    "score of XML": ["score", "out.cyclonedx-xml", "--explain"],
    "score of SPDX": ["score", "out.spdx", "--explain"],
    "score as JSON": ["score", "out.spdx", "--format", "json"],
    "score of hostile SPDX": ["score", "foreign.spdx.json", "--explain"],
    "diff": ["diff", "out.json", "clean.cdx.json"],
    "diff of XML and SPDX": ["diff", "out.cyclonedx-xml", "foreign.spdx.json"],
    "diff as JSON": ["diff", "clean.cdx.json", "foreign.spdx.json", "--format", "json"],
    "convert": ["convert", "out.json", "-o", "markdown"],
    "convert of a BOM": ["convert", "foreign.spdx.json", "-o", "html"],
    "explain": ["explain", "\x1b]0;owned\x07\u202e=1+1"],
    "a file that is not there": ["score", "\x1b[31m\u202e.json"],
}
ACTS = "\x1b[31m\x1b]0;owned\x07\u202e\x9b2J<script>alert(1)</script>"


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_commands_that_read_documents_say_nothing_that_acts(
    arguments: list[str], outputs: dict[str, str], tmp_path: Path
) -> None:
    """Score, diff, convert and explain print no control, no change of direction, whatever a document holds."""
    for name, text in outputs.items():
        (tmp_path / f"out.{name}").write_text(text, "utf-8")
    clean = {"bomFormat": "CycloneDX", "specVersion": "1.6",
             "metadata": {"component": {"type": "machine-learning-model", "name": ACTS}}}  # fmt: skip
    (tmp_path / "clean.cdx.json").write_text(json.dumps(clean))
    model = {"type": "ai_AIPackage", "spdxId": ACTS, "name": ACTS, "software_packageVersion": ACTS}
    document = {"type": "SpdxDocument", "spdxId": "d", "rootElement": [ACTS]}
    finding = {"type": "security_Vulnerability", "spdxId": "v", "name": ACTS, "summary": f"critical: {ACTS}"}
    (tmp_path / "foreign.spdx.json").write_text(json.dumps({"@context": "x", "@graph": [document, model, finding]}))
    done = subprocess.run(
        [sys.executable, "-m", "aibom", *arguments], capture_output=True, check=False, timeout=60, cwd=tmp_path
    )
    said = (done.stdout + done.stderr).decode()
    assert said
    assert done.returncode in {0, 1, 2, 3}
    assert "Traceback" not in said
    assert set() == {char for char in said if not char.isprintable() and char != "\n"}


def texts(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [*value, *(text for item in value.values() for text in texts(item))]
        case list():
            return [text for item in value for text in texts(item)]
    return []


@pytest.mark.parametrize("name", EMITTERS)
def test_no_character_acts(name: str, outputs: dict[str, str]) -> None:
    """No output holds a control, a change of direction or an invisible character."""
    assert set() == {char for char in outputs[name] if not char.isprintable() and char not in "\n\t"} - {"\ufe0f"}


def test_a_terminal_gets_our_colours_and_nothing_else(outputs: dict[str, str]) -> None:
    """With colour, the only escape sequences are those that set attributes of text."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", outputs["terminal"])
    assert "\x1b" in outputs["terminal"]
    assert set() == {char for char in plain if not char.isprintable() and char != "\n"}


@pytest.mark.parametrize("name", ["json", "cyclonedx", "vex", "spdx", "sarif"])
def test_every_name_is_whole_in_json(name: str, outputs: dict[str, str]) -> None:
    """The documents parse, and a name that was escaped leads back to its bytes."""
    document = json.loads(outputs[name])
    if name in {"json", "cyclonedx"}:
        assert set() == {escape_name(raw) for raw in NAMES} - set(texts(document))
    assert list(NAMES) == [unescape_name(escape_name(raw)) for raw in NAMES]


def test_the_page_runs_nothing_of_the_target(outputs: dict[str, str]) -> None:
    """One script and one style, both ours; no handler, no address that acts, no element that loads something."""

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.tags: list[str] = []
            self.attributes: list[tuple[str, str]] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.append(tag)
            self.attributes += [(key, value or "") for key, value in attrs]

    reader = Reader()
    reader.feed(outputs["html"])
    assert (1, 1) == (reader.tags.count("script"), reader.tags.count("style"))
    assert set() == {"iframe", "img", "object", "embed", "link", "base", "b"} & set(reader.tags)
    assert [] == [key for key, _ in reader.attributes if key.startswith("on")]
    links = [value for key, value in reader.attributes if key in {"href", "src", "xlink:href"}]
    assert all(value.startswith(("#", "https://", "http://")) for value in links)


def test_markdown_has_no_markup_of_the_target(outputs: dict[str, str]) -> None:
    """Raw HTML, links that act and cells that split are text."""
    markdown = pytest.importorskip("markdown_it")
    html = markdown.MarkdownIt("commonmark", {"html": True}).enable("table").render(outputs["markdown"])
    assert not re.search(r"<(script|img|iframe|svg|b)\b", html)
    assert not re.search(r"href=\"(?!https?://|#)", html)


def test_nothing_becomes_a_formula(outputs: dict[str, str]) -> None:
    """A spreadsheet that opens the table's lines or the cells of Markdown finds nothing to compute."""
    lines = [line.strip() for line in outputs["table"].splitlines() if line.strip()]
    cells = [cell.strip() for line in outputs["markdown"].splitlines() for cell in line.split("|")]
    rows = [cell.strip() for row in csv.reader(outputs["table"].splitlines()) for cell in row[:1]]
    for text in (*lines, *cells, *rows):
        assert not re.match(r"[=@]|[+-][A-Za-z(]", text), text


def test_xml_reads_back(outputs: dict[str, str]) -> None:
    """The XML document is well-formed and has no document type."""
    assert "<!DOCTYPE" not in outputs["cyclonedx-xml"]
    assert ET.fromstring(outputs["cyclonedx-xml"]).tag.endswith("}bom")  # noqa: S314 -- our own output

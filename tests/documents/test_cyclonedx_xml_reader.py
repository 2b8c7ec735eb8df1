"""CycloneDX XML of any tool, read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.emitters.reports import fine_tune_report, hostile_report, many_files_report, minimal_report

from aibom.compare import compare
from aibom.documents import load, open_document
from aibom.documents import opening as opening_module
from aibom.documents.cyclonedx_xml import MAX_LEVELS, read_xml
from aibom.emitters import EmitOptions, emit
from aibom.emitters.cyclonedx import to_document
from aibom.emitters.options import SpecVersion
from aibom.errors import DataError
from aibom.report import Report
from aibom.score import profiles, score

REPORTS: dict[str, Callable[[], Report]] = {
    "minimal": minimal_report,
    "fine-tune": fine_tune_report,
    "hostile": hostile_report,
    "many-files": lambda: many_files_report(100),
}
NAMESPACE = 'xmlns="http://cyclonedx.org/schema/bom/{}"'


def bom(inner: str, version: str = "1.6") -> str:
    return f"<bom {NAMESPACE.format(version)} version='1'>{inner}</bom>"


def spelled(value: Any) -> Any:
    """Return a document as XML can hold it: every scalar as text."""
    match value:
        case dict():
            return {key: spelled(item) for key, item in value.items()}
        case list():
            return [spelled(item) for item in value]
        case bool():
            return "true" if value else "false"
        case str():
            return value.strip()
    return str(value)


@pytest.mark.parametrize("version", ["1.6", "1.7"])
@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_what_the_writer_wrote_the_reader_finds(make: Callable[[], Report], version: SpecVersion) -> None:
    """The XML of a report is its JSON again, but for citations, and for rationales that XML has no place for."""
    expected = to_document(make(), version)
    for key in ("$schema", "citations"):
        expected.pop(key, None)
    for attestation in expected.get("declarations", {}).get("attestations", []):
        for entry in attestation["map"]:
            if "score" not in entry.get("confidence", {"score": 1}):
                del entry["confidence"]
    found = load(emit(make(), "cyclonedx-xml", EmitOptions(spec_version=version)))
    assert 1 == found["version"]
    assert spelled(expected) == spelled(found)


@pytest.mark.parametrize("make", REPORTS.values(), ids=REPORTS)
def test_xml_and_json_score_alike_and_show_no_difference(make: Callable[[], Report]) -> None:
    """The number is a property of what is said, not of how it is spelled."""
    one, other = load(emit(make(), "cyclonedx")), load(emit(make(), "cyclonedx-xml"))
    assert [score(one, name) for name in profiles()] == [score(other, name) for name in profiles()]
    result = compare(one, other)
    assert ((), ()) == (result.changes, result.not_comparable)


def test_a_document_of_another_tool_is_read() -> None:
    """Old tools, an author, inline data sets, a service, a signature: what ours never writes."""
    text = bom(
        """<metadata><timestamp>2024-01-01T00:00:00Z</timestamp>
             <tools><tool><vendor>v</vendor><name>scanner</name><version>2</version></tool></tools>
             <component type="machine-learning-model" bom-ref="m"><author>ACME</author><name>chat</name>
               <hashes><hash alg="SHA-256"> AB </hash></hashes>
               <licenses><license><id>MIT</id></license><expression>Apache-2.0 OR MIT</expression></licenses>
               <modelCard><modelParameters><datasets>
                 <dataset><type>dataset</type><name>tickets</name></dataset><ref>d</ref>
               </datasets></modelParameters></modelCard>
             </component></metadata>
           <services><service><name>api</name><data><dataflow name="prompt"/></data></service></services>
           <dependencies><dependency ref="m"><dependency ref="d"/></dependency></dependencies>
           <ext:note xmlns:ext="urn:other">kept out</ext:note>
           <Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>""",
        "1.4",
    )
    document = open_document(text)
    root = document.bom["metadata"]["component"]
    assert ("CycloneDX 1.4 XML", "1.4") == (document.form, document.bom["specVersion"])
    assert [{"vendor": "v", "name": "scanner", "version": "2"}] == document.bom["metadata"]["tools"]
    assert ("ACME", [{"alg": "SHA-256", "content": "AB"}]) == (root["author"], root["hashes"])
    assert [{"license": {"id": "MIT"}}, {"expression": "Apache-2.0 OR MIT"}] == root["licenses"]
    assert [{"type": "dataset", "name": "tickets"}, {"ref": "d"}] == root["modelCard"]["modelParameters"]["datasets"]
    assert [{"ref": "m", "dependsOn": ["d"]}] == document.bom["dependencies"]
    answers = {a.element.id: a.outcome.value for a in score(document.bom, "g7-ai").answers}
    for element in ("MD-05", "MD-06", "SLP-03", "SLP-06", "MDL-07", "MD-10"):
        assert "present" == answers[element], element


BOMB = """<?xml version="1.0"?><!DOCTYPE bom [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB + bom("<serialNumber>&b;</serialNumber>"), "document type"),
        ('<!DOCTYPE bom SYSTEM "file:///etc/passwd">' + bom(""), "document type"),
        ('<!DOCTYPE bom [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + bom("<group>&x;</group>"), "document type"),
        ('<!DOCTYPE bom [<!ENTITY % p SYSTEM "http://host.invalid/x"> %p;]>' + bom(""), "document type"),
        (bom("&undefined;"), "not XML"),
        ("<bom", "not XML"),
        ("<bom/>", "not a CycloneDX"),
        (f"<x {NAMESPACE.format('1.6')}/>", "not a CycloneDX"),
        ('<?xml version="1.0" encoding="no-such"?><bom/>', "not XML"),
        (bom("<components>" * (MAX_LEVELS + 1)), "nested deeper"),
        (bom("<a>" * 100_000), "nested deeper"),
    ],
)
def test_hostile_xml_is_refused(text: str, message: str) -> None:
    """No entity is expanded, no file or address is opened, depth is bounded, all in DataError."""
    with pytest.raises(DataError, match=message):
        load(text)


def test_utf_16_is_read() -> None:
    """XML may be in another encoding than UTF-8; the document type is seen there too."""
    assert "1.5" == load(bom("", "1.5").encode("utf-16"))["specVersion"]
    with pytest.raises(DataError, match="document type"):
        load((BOMB + bom("")).encode("utf-16"))


@pytest.mark.parametrize("text", [bom("<components/>" * 9), '{"bomFormat": "CycloneDX", "components": [{},{},{},{}]}'])
def test_values_are_counted_before_they_are_read(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file of very many empty values does not fill the memory."""
    monkeypatch.setattr(opening_module, "MAX_VALUES", 8)
    with pytest.raises(DataError, match="are read at most"):
        load(text)


TAGS = [
    "bom",
    "metadata",
    "component",
    "components",
    "tools",
    "tool",
    "licenses",
    "license",
    "expression",
    "hashes",
    "hash",
    "data",
    "ref",
    "dependency",
]
elements = st.recursive(
    st.text("ab<&\x00 é", max_size=4),
    lambda inner: st.builds(
        lambda tag, parts: f"<{tag} type='x' ref='r'>{''.join(parts)}</{tag}>",
        st.sampled_from(TAGS),
        st.lists(inner, max_size=3),
    ),
    max_leaves=20,
)


@given(elements)
@settings(max_examples=150)
def test_any_xml_is_read_or_refused(inner: str) -> None:
    """Nothing but DataError comes out."""
    try:
        document = load(bom(inner))
    except DataError:
        return
    compare(document, document)
    assert score(document, "g7-ai").answers


def test_bytes_that_are_no_xml_are_refused() -> None:
    """The parser's own errors do not come through."""
    for raw in (b"<\xff\xfe", b"<?xml version='1.0' encoding='utf-16'?><bom/>", b"<a></b>"):
        with pytest.raises(DataError):
            read_xml(raw)

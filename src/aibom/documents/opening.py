"""Tell which kind of document a file is, and have it read."""

from __future__ import annotations

import codecs
import re
from typing import Any

import msgspec
from msgspec import Struct

from aibom.documents.shape import Json, checked
from aibom.documents.spdx2 import read_spdx2
from aibom.documents.spdx3 import read_spdx3
from aibom.emitters.report_json import from_json
from aibom.errors import DataError
from aibom.report import Report

# A value takes about a hundred bytes in memory and two in a file: the file's size alone bounds nothing.
MAX_VALUES = 8_000_000
_XML = re.compile(rb"\s*<|[\xff\xfe]{2}<|[\xff\xfe]{2}\0<")
_TAG_VALUE = re.compile(rb"\s*(#[^\n]*\n\s*)*SPDXVersion:")
_HINT = "Read are reports of aibom, CycloneDX as JSON or XML, and SPDX 3.0 or 2.3 as JSON."


class Document(Struct, frozen=True, kw_only=True):
    """A document in the shape of CycloneDX JSON, how it was written, and the report that it was made from, if at hand.

    Of a document that is not CycloneDX JSON the JSON pointers are those of its CycloneDX form.
    """

    bom: Json
    form: str
    report: Report | None = None


def load(text: str | bytes) -> Json:
    """Return a document in the shape of CycloneDX JSON; a report is turned into the one that `cyclonedx` writes.

    Raises:
        DataError: it is no document that can be read.
        OutputError: the report gives no valid document.
    """
    return open_document(text).bom


def open_document(text: str | bytes) -> Document:
    """Read a report, or a bill of materials of any tool.

    Raises:
        DataError: it is no document that can be read.
        OutputError: the report gives no valid document.
    """
    raw = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if _XML.match(raw):
        from aibom.documents.cyclonedx_xml import read_xml  # noqa: PLC0415 -- few documents are XML

        _bound(raw, b"<")
        bom = checked(read_xml(raw))
        return Document(bom=bom, form=f"CycloneDX {bom['specVersion']} XML")
    if _TAG_VALUE.match(raw):
        raise DataError(
            "SPDX in tag-value form is not read",
            hint="Convert it to JSON, for example with `pyspdxtools -i BOM.spdx -o BOM.spdx.json` (spdx-tools).",
        )
    return _from_json(raw)


def _from_json(raw: bytes) -> Document:
    _bound(raw, b",", b"[", b"{")
    try:
        value: Any = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DataError(f"this is not JSON: {error}", hint=_HINT) from error
    match value:
        case {"bomFormat": "CycloneDX"}:
            return Document(bom=checked(value), form=f"CycloneDX {value.get('specVersion', '')} JSON")
        case {"schema_version": _}:
            from aibom.emitters.cyclonedx import to_document  # noqa: PLC0415 -- slow to import

            report = from_json(raw)
            return Document(bom=to_document(report), form="report", report=report)
        case {"@context": _, "@graph": list(elements)}:
            return Document(bom=checked(read_spdx3(elements)), form="SPDX 3.0 JSON-LD")
        case {"spdxVersion": str(version)}:
            if not version.startswith("SPDX-2."):
                raise DataError(f"{version!r} is not a version of SPDX that is read", hint=_HINT)
            return Document(bom=checked(read_spdx2(value)), form=f"{version} JSON")
    raise DataError("this is neither a report of aibom nor a CycloneDX or SPDX document", hint=_HINT)


def _bound(raw: bytes, *marks: bytes) -> None:
    found = sum(map(raw.count, marks))
    if found > MAX_VALUES:
        raise DataError(f"the document has {found} values or more; {MAX_VALUES} are read at most")

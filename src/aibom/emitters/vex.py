"""The findings alone, as a CycloneDX VEX document that points into the BOM of the same report."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid5

import msgspec

from aibom.emitters.cdx_text import Json
from aibom.emitters.cyclonedx import SERIAL_NAMESPACE, to_document, to_text
from aibom.emitters.gate import refuse, schema_faults
from aibom.emitters.options import EmitOptions
from aibom.report import Report

_SUBJECT = ("type", "bom-ref", "group", "name", "version", "purl")


def emit(report: Report, options: EmitOptions) -> str:
    """Return the VEX document of the report.

    `affects` are BOM-Links, so the document is of use only beside the BOM that `cyclonedx` writes of the same report
    in the same version of the specification: its serial number is in every link.
    """
    bom = to_document(report, options.spec_version)
    base = f"urn:cdx:{bom['serialNumber'].removeprefix('urn:uuid:')}/{bom['version']}"
    subject = bom["metadata"]["component"]
    doc: Json = {
        "$schema": bom["$schema"],
        "bomFormat": "CycloneDX",
        "specVersion": bom["specVersion"],
        "version": 1,
        "metadata": {
            "timestamp": bom["metadata"]["timestamp"],
            "tools": bom["metadata"]["tools"],
            "component": {key: subject[key] for key in _SUBJECT if key in subject},
        },
        "vulnerabilities": [_linked(entry, base) for entry in bom.get("vulnerabilities", ())],
    }
    serial = uuid5(SERIAL_NAMESPACE, msgspec.json.encode(doc, order="sorted").decode())
    doc = {**dict(list(doc.items())[:3]), "serialNumber": f"urn:uuid:{serial}", **doc}
    refuse(schema_faults(doc))
    return to_text(doc)


def _linked(entry: Json, base: str) -> Json:
    links = [{"ref": f"{base}#{quote(affected['ref'], safe='')}"} for affected in entry["affects"]]
    return {**entry, "affects": links}

"""The license table: what each license that models carry allows, forbids and asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from aibom.data.tables import Row, load_rows

TABLE = "licenses.csv"
_COLUMNS = (
    "id", "hf_id", "hf_license_names", "name", "spdx_or_ref", "in_spdx_3_29", "scancode_key", "family", "kind",
    "osi_approved", "open_source_compatible", "commercial_use", "modification", "redistribution",
    "copyleft_on_weights", "use_restrictions", "user_threshold", "no_train_other_models", "output_restriction",
    "attribution_naming", "geographic_exclusion", "revocable", "aiact_foss", "aiact_reason", "source", "evidence",
    "confidence", "notes",
)  # fmt: skip
_REQUIRED = tuple(
    column
    for column in _COLUMNS
    if column not in {"hf_id", "hf_license_names", "spdx_or_ref", "scancode_key", "source", "notes"}
)
_FAMILIES = (
    "permissive", "permissive-model", "research-only", "vendor-custom", "copyleft-weak", "copyleft-strong",
    "copyleft-network", "copyleft-model", "cc", "cc-noncommercial", "cc-noderivatives", "openrail", "modelgo", "llama",
    "modified-mit", "qwen", "gemma", "hunyuan", "flux-nc", "nvidia", "stability", "unknown",
)  # fmt: skip
# Names of a whole family, without a version: the text decides, the name never does.
FAMILY_IDS = frozenset({"bsd", "cc", "gfdl", "gpl", "lgpl", "openrail"})
UNSTATED_IDS = frozenset({"unknown", "other", "no-license"})


class License(Struct, frozen=True, kw_only=True):
    """One row. Cells hold words of the table; `expression` is an SPDX id or a LicenseRef, None for a family."""

    key: str
    hub_id: str | None
    hub_names: tuple[str, ...]
    name: str
    expression: str | None
    in_spdx: bool
    scancode_keys: tuple[str, ...]
    family: str
    kind: str
    osi_approved: str
    open_source_compatible: str
    commercial_use: str
    modification: str
    redistribution: str
    copyleft: str
    use_restrictions: str
    threshold: str
    no_train: str
    output_restriction: str
    attribution: str
    geographic_exclusion: str
    revocable: str
    aiact_foss: str
    aiact_reason: str
    source: str
    evidence: str
    confidence: str
    notes: str
    line: int


class LicenseTable(Struct, frozen=True, kw_only=True):
    """The rows, and where each name that people write leads. A name shared by several licenses leads nowhere."""

    rows: tuple[License, ...]
    by_key: Mapping[str, License]
    by_name: Mapping[str, License]
    by_expression: Mapping[str, License]
    ambiguous: Mapping[str, tuple[License, ...]]
    """Names that authors chose for different licenses (`modified-mit`)."""

    def find(self, name: str) -> License | None:
        """Return the license with this key, hub id, SPDX id or slug, however it is capitalised."""
        slug = slug_of(name)
        return self.by_key.get(slug) or self.by_expression.get(name.strip().lower()) or self.by_name.get(slug)


def slug_of(name: str) -> str:
    """Spell a license name as the hub does: lower case, one dash between words."""
    return re.sub(r"[\s_]+", "-", name.strip().lower())


@cache
def license_table() -> LicenseTable:
    """Load the table once.

    Raises:
        DataError: the table is not what this module expects.
    """
    rows = tuple(_license(row) for row in load_rows(TABLE, _COLUMNS, required=_REQUIRED))
    names: dict[str, list[License]] = {}
    for row in rows:
        for name in {row.hub_id, *row.hub_names} - {None}:
            names.setdefault(slug_of(name or ""), []).append(row)
    by_key = {row.key: row for row in rows}
    if len(by_key) < len(rows):
        load_rows(TABLE, _COLUMNS)[0].fail("an id stands twice")
    expressions: dict[str, License] = {}
    for row in rows:
        if row.expression:
            expressions.setdefault(row.expression.lower(), row)
    return LicenseTable(
        rows=rows,
        by_key=by_key,
        by_name={name: found[0] for name, found in names.items() if len(found) == 1},
        by_expression=expressions,
        ambiguous={name: tuple(found) for name, found in names.items() if len(found) > 1 and name not in by_key},
    )


def _license(row: Row) -> License:
    expression = row["spdx_or_ref"] or None
    in_spdx = row.one_of("in_spdx_3_29", ("yes", "no")) == "yes"
    if in_spdx and (expression is None or expression.startswith("LicenseRef-")):
        row.fail("in_spdx_3_29 is yes without an SPDX id")
    if expression is None and row["id"] not in FAMILY_IDS | UNSTATED_IDS:
        row.fail("spdx_or_ref is empty, and the id is no family")
    return License(
        key=row["id"],
        hub_id=row["hf_id"] or None,
        # A remark in brackets is for the reader of the table, not a part of the name.
        hub_names=tuple(re.sub(r"\s*\(.*\)$", "", name) for name in row.words("hf_license_names")),
        name=row["name"],
        expression=expression,
        in_spdx=in_spdx,
        scancode_keys=row.words("scancode_key"),
        family=row.one_of("family", _FAMILIES),
        kind=row.one_of("kind", ("software", "content", "data", "model")),
        osi_approved=row.one_of("osi_approved", ("yes", "no", "unknown", "depends")),
        open_source_compatible=row.one_of("open_source_compatible", ("yes", "no", "arguable", "unknown")),
        commercial_use=row["commercial_use"],
        modification=row["modification"],
        redistribution=row["redistribution"],
        copyleft=row["copyleft_on_weights"],
        use_restrictions=row["use_restrictions"],
        threshold=row["user_threshold"],
        no_train=row["no_train_other_models"],
        output_restriction=row["output_restriction"],
        attribution=row["attribution_naming"],
        geographic_exclusion=row["geographic_exclusion"],
        revocable=row["revocable"],
        aiact_foss=row.one_of("aiact_foss", ("yes", "no", "arguable", "unknown")),
        aiact_reason=row["aiact_reason"],
        source=row["source"],
        evidence=row.one_of("evidence", ("T", "S", "X", "C", "M")),
        confidence=row.one_of("confidence", ("high", "medium", "low")),
        notes=row["notes"],
        line=row.line,
    )

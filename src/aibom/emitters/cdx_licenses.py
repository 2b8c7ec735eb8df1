"""Licence claims in CycloneDX.

The library refuses an expression beside other licences, which 1.7 allows and a repository needs, so the lists are
written here; 1.6 gets such an expression as a named licence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from aibom.components import Component, ComponentKind, LicenseClaim, Scope
from aibom.emitters.cdx_text import Json, Named, link, origin, properties, without_empty
from aibom.emitters.inert import visible
from aibom.emitters.options import SpecVersion

_MAX_EXPRESSION = 2_000
_COMPOUND = re.compile(r"[A-Za-z0-9.+:() -]+ (?:AND|OR|WITH) [A-Za-z0-9.+:() -]+")
_USUAL_SCOPE = {ComponentKind.DATASET: Scope.DATA, ComponentKind.LIBRARY: Scope.CODE}


def license_lists(component: Component, version: SpecVersion) -> tuple[list[Json], list[Json]]:
    """Return `licenses` (declared, then concluded) and `evidence.licenses` (detected, second opinions last)."""
    stated = [claim for basis in ("declared", "concluded") for claim in component.licenses if claim.basis == basis]
    detected = [claim for claim in component.licenses if claim.basis == "detected"]
    return (
        _choice(stated, component.kind, version),
        _choice(detected, component.kind, version, component.second_opinions),
    )


def _choice(
    claims: Iterable[LicenseClaim],
    kind: ComponentKind,
    version: SpecVersion,
    seconds: Iterable[LicenseClaim] = (),
) -> list[Json]:
    entries: list[Json] = []
    for claim, second in (*((claim, False) for claim in claims), *((claim, True) for claim in seconds)):
        entry = _entry(claim, kind, second=second)
        if entry not in entries:
            entries.append(entry)
    alone = len(entries) == 1
    return [_for_version(entry, version, alone=alone) for entry in entries]


def _entry(claim: LicenseClaim, kind: ComponentKind, *, second: bool) -> Json:
    from cyclonedx.spdx import fixup_id  # noqa: PLC0415 -- reads the SPDX list when imported

    acknowledgement = None if claim.basis == "detected" else claim.basis
    expression = claim.expression
    spdx_id = fixup_id(expression) if expression else None
    if expression and spdx_id is None and _is_compound(expression):
        return without_empty(
            {
                "expression": expression,
                "acknowledgement": acknowledgement,
                "properties": properties(_notes(claim, kind, shown=expression, second=second)),
            }
        )
    name = expression or claim.key or claim.raw or "unknown"
    shown = {"id": spdx_id} if spdx_id else {"name": visible(name)}
    return {
        "license": without_empty(
            {
                **shown,
                "acknowledgement": acknowledgement,
                "url": link(claim.url) if claim.url else None,
                "properties": properties(_notes(claim, kind, shown=spdx_id or name, second=second)),
            }
        )
    }


def _is_compound(expression: str) -> bool:
    # The library's own check knows no LicenseRef, which an expression about models can't do without.
    from license_expression import ExpressionError, Licensing  # noqa: PLC0415 -- slow to import

    if len(expression) > _MAX_EXPRESSION or not _COMPOUND.fullmatch(expression):
        return False
    try:
        keys = Licensing().license_keys(expression)
    except (ExpressionError, RecursionError):
        return False
    return not any(" " in key for key in keys)


def _notes(claim: LicenseClaim, kind: ComponentKind, *, shown: str, second: bool) -> Iterable[Named]:
    if claim.raw not in ("", shown):
        yield "aibom:license:raw", claim.raw
    if claim.scope is not _USUAL_SCOPE.get(kind, Scope.WEIGHTS):
        yield "aibom:license:scope", claim.scope.value
    yield "aibom:license:source", origin(claim.evidence)
    if second and claim.evidence.source:
        yield "aibom:license:second-opinion", claim.evidence.source
    if claim.url and link(claim.url) is None:
        yield "aibom:license:url", claim.url


def _for_version(entry: Json, version: SpecVersion, *, alone: bool) -> Json:
    if version == "1.7" or "expression" not in entry:
        return entry
    if alone:  # 1.6: an expression has no properties
        return {key: value for key, value in entry.items() if key != "properties"}
    named = {"name" if key == "expression" else key: value for key, value in entry.items()}
    return {"license": named}

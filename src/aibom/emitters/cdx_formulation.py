"""How a model was made, as far as somebody stated it: a workflow from its bases and data to the model."""

from __future__ import annotations

from aibom.components import Component, RelationKind
from aibom.emitters.cdx_layout import Layout
from aibom.emitters.cdx_text import Json, origin, passage, without_empty


def formulation(layout: Layout) -> list[Json]:
    """Return one formula for each model of which an origin or training data is stated; hints are left out."""
    return [formula for component in layout.placed if (formula := _formula(component, layout))]


def _formula(component: Component, layout: Layout) -> Json | None:
    bases = [a for a in layout.ancestors.get(component.ref, ()) if not a.relation.inferred]
    placed = {c.ref for c in layout.placed}
    trained = [
        edge
        for edge in layout.outgoing.get(component.ref, ())
        if edge.kind is RelationKind.TRAINED_ON and not edge.inferred and edge.target in placed
    ]
    used = dict.fromkeys([*(a.bom_ref for a in bases), *(layout.refs[edge.target] for edge in trained)])
    if not used:
        return None
    ref = layout.refs[component.ref]
    relations = [*(a.relation for a in bases), *trained]
    places = dict.fromkeys(origin(item) for edge in relations for item in edge.evidence)
    kinds = dict.fromkeys(a.relation.derivation.value for a in bases if a.relation.derivation)
    workflow = without_empty(
        {
            "bom-ref": f"workflow:{ref}",
            "uid": f"workflow:{ref}",
            "name": ", ".join(kinds) or "training",
            "description": passage(f"As declared in {', '.join(places)}.") if places else "As declared.",
            "resourceReferences": [{"ref": target} for target in used],
            # The standard has no word for training among its tasks.
            "taskTypes": ["other"],
            "outputs": [{"type": "artifact", "resource": {"ref": ref}}],
        }
    )
    return {"bom-ref": f"formula:{ref}", "workflows": [workflow]}

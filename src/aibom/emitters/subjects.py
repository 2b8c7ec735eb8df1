"""Names of what determinations and checklists speak of, told apart where a repository holds several models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from aibom.components import Component, ComponentKind
from aibom.emitters.inert import one_line
from aibom.report import Report


def name_of(component: Component) -> str:
    """Return `group/name`, or the name alone, on one line."""
    return one_line(f"{component.group}/{component.name}" if component.group else component.name)


def subjects(report: Report) -> Mapping[str, str]:
    """Return a name for each subject, nothing where there is only one.

    Two models of one name are told apart by their folders, which stand in their references.
    """
    refs = dict.fromkeys([*(d.subject for d in report.determinations), *(item.subject for item in report.checklist)])
    if len(refs) < 2:
        return {}
    known = {component.ref: name_of(component) for component in report.resolution.components}
    names = Counter(known.get(ref, ref) for ref in refs)
    return {ref: known[ref] if names[known.get(ref, "")] == 1 else one_line(ref.removeprefix("model/")) for ref in refs}


def holds_several(report: Report) -> bool:
    """Say whether the target is not one model but a folder of several."""
    return report.resolution.component(report.resolution.root).kind is ComponentKind.APPLICATION

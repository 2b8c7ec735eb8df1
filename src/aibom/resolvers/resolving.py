"""What the files together say: card, lineage, licenses, datasets, dependencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from aibom.components import ComponentKind, Inspection, Relation, RelationKind, Resolution
from aibom.files import Digest, Role
from aibom.findings import Finding, Severity
from aibom.report import SourceFacts
from aibom.resolvers import advisories as advisory_rules
from aibom.resolvers import (
    license_rules,
    lineage,
    model_card,
    remote_code,
    repository,
    second_opinions,
    signals,
    weight_checks,
)
from aibom.resolvers.advisories import Lookup, resolve_advisories
from aibom.resolvers.ancestry import Ancestry
from aibom.resolvers.assembly import LONE_FILES, ROOT, Assembly
from aibom.resolvers.component_records import application
from aibom.resolvers.dependencies import resolve_dependencies
from aibom.resolvers.layouts import Layout, find_models
from aibom.resolvers.license_files import files_of_terms
from aibom.resolvers.local_datasets import LocalDataset, component_of, find_datasets
from aibom.resolvers.model_card import CARD_MISSING, CardReading, read_card
from aibom.resolvers.remote_code import resolve_remote_code
from aibom.resolvers.repository import Repository, join, name_of
from aibom.resolvers.second_opinions import SecondOpinions, ask_second_reader
from aibom.resolvers.signals import near_misses
from aibom.resolvers.subject import Subject, identify
from aibom.settings import Settings
from aibom.sources.protocol import Source

RULES = (
    *repository.RULES,
    *model_card.RULES,
    *weight_checks.RULES,
    *lineage.RULES,
    *license_rules.RULES,
    *second_opinions.RULES,
    *remote_code.RULES,
    *advisory_rules.RULES,
    *signals.RULES,
)


def resolve(
    source: Source,
    inspections: tuple[Inspection, ...],
    open_related: Callable[[str], Source | None],
    settings: Settings,
    source_facts: SourceFacts,
    *,
    advisories: Lookup | None = None,
    digests: Mapping[str, Sequence[Digest]] | None = None,
) -> Resolution:
    """Say what a target is made of.

    `open_related` opens another model by its target string (`hf://owner/name@revision`), or returns None where that is
    not wanted or not possible; it is asked for base models only. `advisories` knows the faults of libraries, where a
    snapshot is at hand; `digests` are those of the files, by path.
    """
    files = Repository(source, inspections, settings.limits)
    subject = identify(source.target, source_facts, settings.identity)
    layouts = find_models(files)
    opinions = _second_opinions(files, layouts, settings)
    ancestry = Ancestry(open_related, settings.limits)
    assembly = Assembly(files, ancestry, source_facts, settings.profile, opinions=opinions, digests=digests or {})
    assembly.findings.extend(opinions.findings)
    datasets = find_datasets(files)
    root_card = read_card(files)
    if root_card.card and any(item.marker == root_card.card.path for item in datasets):
        root_card = CardReading(card=None)  # that card speaks of data
    if datasets and len(layouts) == 1 and _is_nothing(layouts[0]) and not datasets[0].folder:
        root = _dataset(assembly, files, datasets, subject)
    elif len(layouts) == 1:
        layout = layouts[0]
        reading = _card_of(files, layout, root_card)
        root = assembly.model(layout, subject, ROOT, reading).ref
        _contain(assembly, files, root, datasets, layouts)
    else:
        root = _siblings(assembly, files, layouts, subject, root_card)
        _contain(assembly, files, root, datasets, layouts)
    about_model = assembly.components[root].kind is not ComponentKind.DATASET
    if about_model and not any(component.card for component in assembly.components.values()):
        severity = Severity.INFO if source_facts.kind in LONE_FILES else None
        assembly.findings.append(Finding.of(CARD_MISSING, "there is no README.md", severity=severity))
    assembly.findings.extend(resolve_remote_code(files))
    assembly.findings.extend(near_misses(subject.id))
    dependencies = resolve_dependencies(files)
    assembly.dependencies(root, dependencies.items)
    assembly.findings.extend(dependencies.findings)
    assembly.findings.extend(resolve_advisories(files, dependencies.items, advisories))
    return assembly.resolution(root)


def _second_opinions(files: Repository, layouts: tuple[Layout, ...], settings: Settings) -> SecondOpinions:
    """Ask once for all models: to start ScanCode takes longer than to read every file."""
    if settings.second_opinion is None:
        return SecondOpinions()
    return ask_second_reader([file for layout in layouts for file in files_of_terms(files, layout.folder)])


def _is_nothing(layout: Layout) -> bool:
    """Say whether this is what stands for a target in which no model was found."""
    return layout.marker.library is None and not layout.files and not layout.parts


def _dataset(assembly: Assembly, files: Repository, datasets: tuple[LocalDataset, ...], subject: Subject) -> str:
    """Add a target that is a dataset: everything in it belongs to it, but for datasets with cards of their own."""
    first, *others = datasets
    taken = {path for item in others for path in item.paths}
    rest = tuple(path for path in files.paths() if path not in taken)
    whole = component_of(first, paths=rest, subject=subject)
    assembly.components[whole.ref] = whole
    assembly.findings.extend(first.findings)
    _contain(assembly, files, whole.ref, tuple(others), ())
    return whole.ref


def _inside(folder: str, outer: str) -> bool:
    return folder != outer and (not outer or folder.startswith(f"{outer}/"))


def _contain(
    assembly: Assembly,
    files: Repository,
    root: str,
    datasets: tuple[LocalDataset, ...],
    layouts: tuple[Layout, ...],
) -> None:
    """Add the datasets that lie in the target; whether the model was trained on them nobody said by that."""
    if not datasets:
        return
    models = {layout.folder for layout in layouts}
    held = {path for component in assembly.components.values() for path in component.paths if component.ref != root}
    moved: set[str] = set()
    for item in datasets:
        inner = {path for folder in models if _inside(folder, item.folder) for path in files.below(folder)}
        paths = tuple(path for path in item.paths if path not in held and path not in inner)
        if item.folder in models:
            # In one folder with a model only the data and its card are certainly the dataset's.
            data = {i.file.path for i in files.inspections if i.file.role is Role.DATA}
            paths = tuple(path for path in paths if path in data or path == item.marker)
        component = component_of(item, paths=paths)
        assembly.components[component.ref] = component
        assembly.findings.extend(item.findings)
        assembly.relate(Relation(source=root, target=component.ref, kind=RelationKind.CONTAINS, evidence=item.evidence))
        moved.update(paths)
    whole = assembly.components[root]
    assembly.components[root] = replace(whole, paths=tuple(path for path in whole.paths if path not in moved))


def _card_of(files: Repository, layout: Layout, root_card: CardReading) -> CardReading:
    """The card of the only model is the one at the root, or else the one in its folder."""
    if root_card.card is not None or not layout.folder:
        return root_card
    return read_card(files, layout.folder)


def _siblings(
    assembly: Assembly, files: Repository, layouts: tuple[Layout, ...], subject: Subject, root_card: CardReading
) -> str:
    """Add several unrelated models under one application; the card at the root speaks of the whole."""
    whole = application(subject, layouts)
    assembly.components[whole.ref] = whole
    taken: set[str] = set()
    for number, layout in enumerate(layouts):
        reading = read_card(files, layout.folder) if layout.folder else CardReading(card=None)
        label = layout.label or name_of(layout.folder) or f"model-{number + 1}"
        own = Subject(name=label, evidence=subject.evidence)
        place = layout.folder if layout.label == name_of(layout.folder) else join(layout.folder, label)
        ref = f"model/{place or label}"
        model = assembly.model(layout, own, ref, reading, root_card.card)
        taken.update(model.paths)
        assembly.relate(Relation(source=whole.ref, target=model.ref, kind=RelationKind.CONTAINS))
    assembly.findings.extend(root_card.findings)
    rest = tuple(path for path in files.paths() if path not in taken)
    assembly.components[whole.ref] = replace(whole, card=root_card.card, paths=rest)
    return whole.ref

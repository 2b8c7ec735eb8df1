"""Bases are followed to the root: by their own repositories where these may be opened, else by what is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from msgspec.structs import replace
from tests.fakes import MemoryRepo
from tests.resolvers.license_samples import mit
from tests.resolvers.targets import DAY, inspections, memory, resolution, said, weights

from aibom.components import Derivation, Resolution
from aibom.errors import TargetError
from aibom.files import Digest
from aibom.limits import Limits
from aibom.report import Skipped, SourceFacts
from aibom.resolvers import ancestry
from aibom.resolvers.ancestry import Ancestry, dataset_claims, with_owner
from aibom.resolvers.hub_names import ModelName, parse_name
from aibom.resolvers.resolving import resolve
from aibom.settings import Settings
from aibom.sources.protocol import Entry, Fault, Source

SHA = "0123456789abcdef0123456789abcdef01234567"


def name(raw: str) -> ModelName:
    parsed = parse_name(raw)
    assert parsed is not None
    return parsed


def front(**fields: str) -> str:
    return "---\n" + "".join(f"{key}: {value}\n" for key, value in fields.items()) + "---\n"


class Hub:
    """Repositories by target; remembers what was asked for."""

    def __init__(self, **repositories: dict[str, str]) -> None:
        self.repositories = {key.replace("__", "/"): files for key, files in repositories.items()}
        self.asked: list[str] = []

    def open(self, target: str) -> Source | None:
        self.asked.append(target)
        files = self.repositories.get(target.removeprefix("hf://").partition("@")[0])
        return memory(files, revision=SHA) if files is not None else None


def derived(result: Resolution) -> list[tuple[str, str, Derivation | None]]:
    return [(item.source, item.target, item.derivation) for item in result.relations if item.kind == "derived-from"]


def test_what_is_known_leads_to_the_root() -> None:
    """Without a network the table gives license and ancestors, with its date as source."""
    result = resolution({"README.md": front(license="mit", base_model="deepseek-ai/DeepSeek-R1-Distill-Llama-70B")})
    assert [
        ("model", "model:deepseek-ai/deepseek-r1-distill-llama-70b", Derivation.FINETUNE),
        (
            "model:deepseek-ai/deepseek-r1-distill-llama-70b",
            "model:meta-llama/llama-3.3-70b-instruct",
            Derivation.FINETUNE,
        ),
    ] == sorted(derived(result), key=lambda item: len(item[0]))
    base = result.component("model:meta-llama/llama-3.3-70b-instruct")
    assert (False, "llama3.3", "known models 2026-11") == (
        base.seen, base.licenses[0].key, base.licenses[0].evidence.source,
    )  # fmt: skip


def test_repositories_are_asked_where_they_may_be() -> None:
    """An opened repository says its license, its commit and its own base."""
    hub = Hub(
        a__b={"README.md": front(license="other", base_model="c/d"), "LICENSE": mit()},
        c__d={"README.md": front(license="gemma")},
    )
    result = resolution({"README.md": front(license="mit", base_model="a/b")}, open_related=hub.open)
    assert ["hf://a/b", "hf://c/d"] == hub.asked
    base = result.component("model:a/b")
    assert (SHA, f"pkg:huggingface/a/b@{SHA}") == (base.version, base.purl)
    assert {("declared", None), ("detected", "MIT")} == {(claim.basis, claim.expression) for claim in base.licenses}
    assert ("model:a/b", "model:c/d", Derivation.FINETUNE) in derived(result)
    assert "license-laundered" in {finding.rule.id for finding in result.findings}


def test_a_revision_is_asked_for() -> None:
    """A pinned base is opened at its commit."""
    hub = Hub()
    resolution({"README.md": front(base_model=f"a/b@{SHA}")}, open_related=hub.open)
    assert [f"hf://a/b@{SHA}"] == hub.asked


def test_a_base_that_can_not_be_opened_is_as_known_as_before() -> None:
    """An error on the way is no end of the scan."""

    def refuse(_: str) -> Source | None:
        raise TargetError("no network")

    result = resolution({"README.md": front(base_model="google/gemma-2-2b")}, open_related=refuse)
    assert "gemma" == result.component("model:google/gemma-2-2b").licenses[0].key


class Broken(MemoryRepo):
    """A repository whose listing fails."""

    def entries(self) -> Iterator[Entry | Skipped]:
        yield Entry(path="x", size=1, fault=Fault.UNREADABLE)
        raise OSError("gone")


def test_a_base_that_breaks_while_it_is_read_is_closed() -> None:
    """A listing that fails leaves what is known."""
    result = resolution({"README.md": front(base_model="google/gemma-2-2b")}, open_related=lambda _: Broken({}))
    assert "gemma" == result.component("model:google/gemma-2-2b").licenses[0].key


def test_cycles_end() -> None:
    """Two repositories that name each other as base are each listed once."""
    hub = Hub(a__b={"README.md": front(base_model="c/d")}, c__d={"README.md": front(base_model="a/b")})
    result = resolution({"README.md": front(base_model="a/b")}, open_related=hub.open)
    assert 3 == len([item for item in result.components if item.kind == "machine-learning-model"])
    assert ["hf://a/b", "hf://c/d"] == hub.asked


def test_a_model_above_itself_is_not_its_own_ancestor() -> None:
    """A base that names the scanned repository as its base makes no loop to the root component's name."""
    hub = Hub(a__b={"README.md": front(base_model="acme/chat")})
    facts = SourceFacts(kind="hub", identity="acme/chat", revision=SHA)
    result = resolution({"README.md": front(base_model="a/b")}, facts=facts, open_related=hub.open)
    assert not any(relation.target == result.root for relation in result.relations)
    assert not any(
        item.ref != result.root and item.purl == f"pkg:huggingface/acme/chat@{SHA}" for item in result.components
    )


def test_the_number_of_opened_repositories_is_bounded() -> None:
    """A hundred bases open no more than twenty repositories."""
    hub = Hub()
    bases = "[" + ", ".join(f"a/b{number}" for number in range(100)) + "]"
    resolution({"README.md": front(base_model=bases)}, open_related=hub.open)
    assert 20 == len(hub.asked)


def test_long_listings_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A related repository is listed up to a bound."""
    monkeypatch.setattr(ancestry, "_MAX_ENTRIES", 2)
    hub = Hub(a__b={"1": "", "2": "", "README.md": front(license="mit")})
    assert () == Ancestry(hub.open, Limits()).ancestor(name("a/b")).claims


def test_old_names_are_completed() -> None:
    """A base without an owner is named as the hub has it now."""
    result = resolution({"README.md": front(base_model="bert-base-uncased")})
    assert "google-bert" == result.component("model:google-bert/bert-base-uncased").group
    assert "x" == with_owner(ModelName(kind="name", name="x")).name


def test_local_bases_are_unknown() -> None:
    """A path has no license and opens nothing."""
    hub = Hub()
    result = resolution({"README.md": front(base_model="/home/alice/llama-ft")}, open_related=hub.open)
    assert [] == hub.asked
    assert "alice" not in repr(result)


def test_datasets_have_known_licenses() -> None:
    """The table knows some datasets, and no others."""
    assert "CC-BY-NC-4.0" == dataset_claims(name("tatsu-lab/alpaca"))[0].expression
    assert () == dataset_claims(name("nobody/data"))
    assert () == dataset_claims(name("./data"))


WEIGHTS = "1" * 64


def sha256(value: str, basis: Literal["computed", "declared"] = "declared") -> tuple[Digest, ...]:
    return (
        Digest(algorithm="git-sha1", value="0" * 40, basis="declared"),
        Digest(algorithm="sha256", value=value, basis=basis),
    )


@pytest.mark.parametrize(
    ("relation", "other", "expected"),
    [
        ("finetune", {}, [("lineage-contradiction", "low")]),
        ("quantized", {}, [("lineage-contradiction", "low")]),
        ("converted", {}, []),
        ("finetune", {"model.fp16.safetensors": sha256("3" * 64)}, []),
    ],
)
@pytest.mark.parametrize("computed", [False, True])
def test_weights_of_the_base_under_another_name(
    relation: str, other: dict[str, tuple[Digest, ...]], expected: list[tuple[str, str]], *, computed: bool
) -> None:
    """Weights that are byte for byte the base's are named, and belie a card that says that they were changed."""
    base = MemoryRepo(
        {"README.md": b"---\nlicense: mit\n---\n", "model.safetensors": b"x"},
        declared={"model.safetensors": sha256(WEIGHTS)},
    )
    own = {"model.safetensors": sha256(WEIGHTS, "computed" if computed else "declared"), **other}
    inspected = []
    for path, digests in own.items():
        item = weights(path, {"a": (2,)})
        inspected.append(replace(item, file=replace(item.file, declared_digests=() if computed else digests)))
    files = {"README.md": front(base_model="acme/base", base_model_relation=relation, license="mit")}
    found = resolve(
        memory(files),
        (*inspections(files), *inspected),
        lambda target: base if target == "hf://acme/base" else None,
        Settings(as_of=DAY),
        SourceFacts(),
        digests=own if computed else None,
    )
    properties = found.component(found.root).properties
    assert "acme/base: model.safetensors" == properties["aibom:lineage:same-weights"]
    assert expected == [item for item in said(found.findings) if item[0] == "lineage-contradiction"]


def test_other_weights_are_not_the_bases() -> None:
    """A base whose repository was not asked, or has other weights, shares none."""
    item = weights("model.safetensors", {"a": (2,)})
    mine = replace(item, file=replace(item.file, declared_digests=sha256(WEIGHTS)))
    base = MemoryRepo({"model.safetensors": b"x"}, declared={"model.safetensors": sha256("2" * 64)})
    for repositories in ({}, {"hf://acme/base": base}):
        card = {"README.md": front(base_model="acme/base", license="mit")}
        result = resolution(card, [mine], open_related=repositories.get)
        assert "aibom:lineage:same-weights" not in result.component(result.root).properties

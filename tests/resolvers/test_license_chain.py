"""Terms follow from base to child as the licenses say: a table of chains, each with its verdict, finding and path."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from aibom.components import Derivation
from aibom.data.license_table import license_table
from aibom.resolvers.license_chain import judge
from aibom.resolvers.license_flow import Edge, Node, Outcome, Verdict

FT, AD, MG = Derivation.FINETUNE, Derivation.ADAPTER, Derivation.MERGE
QZ, DS, CV, UK = Derivation.QUANTIZED, Derivation.DISTILLED, Derivation.CONVERTED, Derivation.UNKNOWN
DATA, CODE, SAAS = "trained-on", "embeds", "served-as"
OK, DUTY, REVIEW, CONFLICT = Verdict.OK, Verdict.DUTY, Verdict.REVIEW, Verdict.CONFLICT


def node(name: str, licenses: str, *parents: Edge) -> Node:
    """Licenses are keys of the table joined by a space; none is unknown."""
    rows = tuple(license_table().by_key[key] for key in licenses.split())
    return Node(name=name, licenses=rows, parents=parents)


@dataclass(frozen=True)
class Case:
    """A child under `declared`, made by `operation` from bases under the licenses in `bases`."""

    declared: str
    operation: Derivation | str
    bases: str
    verdict: Verdict
    rules: str = ""


CASES = (
    # finetune
    Case("apache-2.0", FT, "apache-2.0", DUTY),
    Case("mit", FT, "apache-2.0", DUTY),
    Case("mit", FT, "mit", DUTY),
    Case("unlicense", FT, "unlicense", OK),
    Case("cc0-1.0", FT, "cc0-1.0", OK),
    Case("apache-2.0", FT, "llama2", CONFLICT, "license-laundered"),
    Case("apache-2.0", FT, "llama3.1", CONFLICT, "license-laundered"),
    Case("mit", FT, "llama3.3", CONFLICT, "license-laundered"),
    Case("llama3.1", FT, "llama3.1", DUTY),
    Case("llama3.1", FT, "llama3", REVIEW, "license-dropped"),
    Case("llama3", FT, "llama3.1", DUTY),
    Case("cc-by-nc-4.0", FT, "llama3.1", REVIEW, "license-dropped"),
    Case("mit", FT, "gemma", CONFLICT, "license-laundered"),
    Case("gemma", FT, "gemma", DUTY),
    Case("apache-2.0", FT, "creativeml-openrail-m", CONFLICT, "license-laundered"),
    Case("openrail++", FT, "creativeml-openrail-m", DUTY),
    Case("creativeml-openrail-m", FT, "creativeml-openrail-m", DUTY),
    Case("apache-2.0", FT, "cc-by-nc-4.0", CONFLICT, "license-laundered"),
    Case("creativeml-openrail-m", FT, "cc-by-nc-4.0", CONFLICT, "license-laundered"),
    Case("cc-by-nc-4.0", FT, "cc-by-nc-4.0", DUTY),
    Case("cc-by-nc-4.0", FT, "cc-by-nc-sa-4.0", REVIEW, "license-dropped"),
    Case("cc-by-nc-sa-4.0", FT, "cc-by-nc-sa-4.0", DUTY),
    Case("cc-by-nd-4.0", FT, "cc-by-nd-4.0", CONFLICT, "license-conflict"),
    Case("apache-2.0", FT, "cc-by-nc-nd-4.0", CONFLICT, "license-conflict"),
    Case("mit", FT, "msr-la", CONFLICT, "license-conflict"),
    Case("cc-by-nc-4.0", FT, "alphafold3-weights", CONFLICT, "license-conflict"),
    Case("mit", FT, "gpl-3.0", CONFLICT, "license-laundered"),
    Case("gpl-3.0", FT, "gpl-3.0", DUTY),
    Case("agpl-3.0", FT, "gpl-3.0", DUTY),
    Case("gpl-2.0", FT, "gpl-3.0", CONFLICT, "license-conflict"),
    Case("gpl-3.0", FT, "cc-by-sa-4.0", DUTY),
    Case("cc-by-sa-4.0", FT, "gpl-3.0", CONFLICT, "license-conflict"),
    Case("gpl-3.0", FT, "cc-by-nc-4.0", CONFLICT, "license-conflict"),
    Case("apache-2.0", FT, "mpl-2.0", DUTY),
    Case("apache-2.0", FT, "qwen-research", CONFLICT, "license-laundered"),
    Case("cc-by-nc-4.0", FT, "cohere-cc-by-nc-aup", REVIEW, "license-dropped"),
    Case("apache-2.0", FT, "mistral-modified-mit", CONFLICT, "license-laundered"),
    Case("mit", FT, "kimi-k2-modified-mit", DUTY),
    Case("lfm-1.0", FT, "mistral-modified-mit", DUTY),
    Case("stabilityai-community", FT, "mistral-modified-mit", DUTY),
    Case("cc-by-nc-4.0", FT, "lfm-1.0", DUTY),
    Case("faipl-1.0-sd", FT, "creativeml-openrail-m", CONFLICT, "license-conflict"),
    Case("", FT, "apache-2.0", REVIEW, "license-undetermined"),
    Case("apache-2.0", FT, "", REVIEW, "license-undetermined"),
    Case("", FT, "", REVIEW, "license-undetermined license-undetermined"),
    # adapter
    Case("apache-2.0", AD, "apache-2.0", DUTY),
    Case("apache-2.0", AD, "gemma", REVIEW, "license-dropped"),
    Case("gemma", AD, "gemma", DUTY),
    Case("mit", AD, "llama3.2", REVIEW, "license-dropped"),
    Case("mit", AD, "cc-by-nd-4.0", REVIEW, "license-dropped"),
    Case("gpl-3.0", AD, "flux-1-dev-nc", REVIEW, "license-dropped"),
    # merge
    Case("apache-2.0", MG, "apache-2.0 | mit", DUTY),
    Case("apache-2.0", MG, "apache-2.0 | cc-by-nc-4.0 | llama3", CONFLICT, "license-laundered license-laundered"),
    Case("cc-by-nc-4.0", MG, "apache-2.0 | cc-by-nc-4.0", DUTY),
    Case("gpl-3.0", MG, "gpl-3.0 | agpl-3.0", CONFLICT, "license-conflict"),
    Case("agpl-3.0", MG, "gpl-3.0 | agpl-3.0", DUTY),
    Case("gpl-2.0", MG, "gpl-2.0 | gpl-3.0", CONFLICT, "license-conflict share-alike-clash"),
    Case("gpl-3.0", MG, "gpl-3.0 | cc-by-nc-4.0", CONFLICT, "license-conflict share-alike-clash"),
    Case("faipl-1.0", MG, "faipl-1.0 | creativeml-openrail-m", CONFLICT, "license-conflict share-alike-clash"),
    Case("cc-by-nc-nd-4.0", MG, "apache-2.0 | cc-by-nc-nd-4.0", CONFLICT, "license-conflict"),
    Case("apache-2.0", MG, "apache-2.0 | ", REVIEW, "license-undetermined"),
    # quantized, converted: copies, for which everything travels
    Case("apache-2.0", QZ, "llama3.1", CONFLICT, "license-laundered"),
    Case("", QZ, "qwen", REVIEW, "license-undetermined"),
    Case("qwen", QZ, "qwen", DUTY),
    Case("cc-by-nc-nd-4.0", QZ, "cc-by-nc-nd-4.0", CONFLICT, "license-conflict"),
    Case("mit", CV, "gemma", CONFLICT, "license-laundered"),
    Case("gemma", CV, "gemma", DUTY),
    Case("mit", UK, "flux-1-dev-nc", CONFLICT, "license-laundered"),
    # distilled: only what reaches outputs
    Case("apache-2.0", DS, "apache-2.0", DUTY),
    Case("apache-2.0", DS, "llama3", CONFLICT, "license-conflict"),
    Case("apache-2.0", DS, "llama3.1", DUTY),
    Case("apache-2.0", DS, "flux-1-dev-nc", CONFLICT, "license-conflict"),
    Case("apache-2.0", DS, "deepseek-la-1.0", CONFLICT, "license-laundered"),
    Case("apache-2.0", DS, "gemma", CONFLICT, "license-laundered"),
    Case("apache-2.0", DS, "qwen", DUTY),
    Case("apache-2.0", DS, "gpl-3.0", DUTY),
    # data
    Case("apache-2.0", DATA, "cc-by-nc-4.0", REVIEW, "dataset-license"),
    Case("cc-by-nc-4.0", DATA, "cc-by-nc-4.0", DUTY),
    Case("apache-2.0", DATA, "cc-by-sa-3.0", REVIEW, "dataset-license"),
    Case("apache-2.0", DATA, "cc-by-nd-4.0", REVIEW, "dataset-license"),
    Case("apache-2.0", DATA, "cdla-sharing-1.0", DUTY),
    Case("apache-2.0", DATA, "odc-by", DUTY),
    Case("apache-2.0", DATA, "", DUTY),
    # code beside the weights, and services
    Case("apache-2.0", CODE, "agpl-3.0", DUTY),
    Case("apache-2.0", CODE, "gpl-3.0", DUTY),
    Case("apache-2.0", SAAS, "agpl-3.0", DUTY),
    Case("apache-2.0", SAAS, "gemma", DUTY),
)


def outcome(case: Case) -> Outcome:
    bases = [node(f"base-{number}", keys.strip()) for number, keys in enumerate(case.bases.split("|"))]
    return judge(node("child", case.declared, *(Edge(parent=base, operation=case.operation) for base in bases)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.declared or '?'}<{case.operation}<{case.bases or '?'}")
def test_chains(case: Case) -> None:
    """A declared license, an operation and the bases' licenses give one verdict and its findings."""
    found = outcome(case)
    rules = sorted(issue.rule for issue in found.issues if issue.rule)
    assert (case.verdict, case.rules.split()) == (found.verdict, rules)


def test_there_are_enough_cases() -> None:
    """The table covers every operation, with at least sixty cases."""
    assert len(CASES) >= 60
    assert {case.operation for case in CASES} == {*Derivation, DATA, CODE, SAAS}


def test_a_dropped_term_is_found_over_three_steps() -> None:
    """Where the middle of a chain drops a term, the end still carries it, with the whole path."""
    llama = node("meta/llama", "llama3.1")
    middle = node("acme/middle", "apache-2.0", Edge(parent=llama, operation=FT))
    found = judge(node("bob/end", "apache-2.0", Edge(parent=middle, operation=QZ)))
    assert CONFLICT is found.verdict
    (issue,) = [issue for issue in found.issues if issue.rule]
    assert ("license-laundered", ("meta/llama", "acme/middle", "bob/end")) == (issue.rule, issue.path)
    assert "Llama 3.1" in issue.message


def test_what_an_adapter_comes_with_reaches_its_merge() -> None:
    """Terms go on from an adapter to a model merged from it."""
    base = node("base", "gemma")
    adapter = node("adapter", "gemma", Edge(parent=base, operation=AD))
    assert CONFLICT is judge(node("merged", "mit", Edge(parent=adapter, operation=MG))).verdict


def test_outputs_do_not_carry_what_only_derivatives_do() -> None:
    """A model distilled from a share-alike fine-tune is free of it."""
    teacher = node("teacher", "gpl-3.0", Edge(parent=node("base", "gpl-3.0"), operation=FT))
    assert ["mit"] == [row.key for row in judge(node("student", "mit", Edge(parent=teacher, operation=DS))).effective]


def test_unknown_ancestors_stay_unknown() -> None:
    """An ancestor without a license is named with its path, however far away it is."""
    far = node("far", "")
    near = node("near", "apache-2.0", Edge(parent=far, operation=FT))
    found = judge(node("child", "apache-2.0", Edge(parent=near, operation=FT)))
    assert (("far", "near", "child"),) == found.unknown
    assert REVIEW is found.verdict


def test_a_guess_is_no_finding() -> None:
    """Lineage that nobody stated leads to a review, and to no finding."""
    found = judge(node("child", "mit", Edge(parent=node("base", "llama3.1"), operation=FT, stated=False)))
    assert (REVIEW, {""}) == (found.verdict, {issue.rule for issue in found.issues})


def test_what_is_missing_is_named_for_what_it_is() -> None:
    """Non-commercial terms with a policy, declared non-commercial: the policy is missing, not the ban."""
    base = Edge(parent=node("base", "cohere-cc-by-nc-aup"), operation=FT)
    (issue,) = [item for item in judge(node("child", "cc-by-nc-4.0", base)).issues if item.rule]
    assert issue.message.endswith(": use restrictions")


def test_cycles_end() -> None:
    """A model that is its own grandparent is walked once."""
    inner = node("a", "gemma")
    middle = node("b", "mit", Edge(parent=inner, operation=FT))
    loop = node("a", "mit", Edge(parent=middle, operation=FT), Edge(parent=node("a", "mit"), operation=FT))
    assert judge(loop).verdict in Verdict


def test_many_ways_to_one_ancestor_cost_no_more_than_one() -> None:
    """Twenty levels of two parents each have a million paths and twenty nodes."""
    level = [node("top", "llama3.1")]
    for depth in range(20):
        level = [
            node(f"{side}{depth}", "llama3.1", *(Edge(parent=above, operation=MG) for above in level)) for side in "lr"
        ]
    found = judge(node("child", "llama3.1", *(Edge(parent=above, operation=MG) for above in level)))
    assert DUTY is found.verdict
    assert len(found.inherited) < 1000


def test_several_licenses_apply_together() -> None:
    """What is declared under two licenses holds the terms of both."""
    base = Edge(parent=node("base", "cc-by-nc-4.0"), operation=FT)
    assert DUTY is judge(node("child", "apache-2.0 cc-by-nc-4.0", base)).verdict


def test_effective_licenses_are_the_nearest_first() -> None:
    """The effective licenses are the model's own, then those that reach it."""
    found = judge(node("child", "apache-2.0", Edge(parent=node("base", "llama3.1"), operation=FT)))
    assert ["apache-2.0", "llama3.1"] == [row.key for row in found.effective]


@pytest.mark.parametrize("declared", sorted(license_table().by_key))
def test_every_license_is_judged_against_itself(declared: str) -> None:
    """No license conflicts with a fine-tune under itself, except where it forbids to share one."""
    found = judge(node("child", declared, Edge(parent=node("base", declared), operation=FT)))
    rules = {issue.rule for issue in found.issues} - {"", "license-conflict"}
    assert rules <= {"license-undetermined"}

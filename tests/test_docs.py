from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from tools.generate_docs import PAGES

import aibom
from aibom.cli import group
from aibom.emitters import EMITTERS
from aibom.findings import Rule
from aibom.rules import RULES

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_those_of_the_code(name: str) -> None:
    """`make docs` has been run since the code changed."""
    assert PAGES[name]() == (ROOT / "docs" / name).read_text()


def all_rules() -> dict[str, Rule]:
    """Find every rule in every module of the package."""
    found = {}
    for module in pkgutil.walk_packages(aibom.__path__, "aibom."):
        if not module.name.endswith("__main__"):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, Rule):
                    found[value.id] = value
    return found


def test_every_rule_can_be_explained() -> None:
    """No module has a rule that `explain`, the docs and SARIF do not know, and every id stands once."""
    assert sorted(all_rules()) == sorted(rule.id for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rules_are_written_for_people(rule: Rule) -> None:
    """An id is words, a summary is a short line, explanation and help are sentences."""
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", rule.id)
    assert len(rule.summary) <= 80
    assert not rule.summary.endswith(".")
    for text in (rule.explanation, rule.help):
        assert text.endswith((".", "!"))
        assert len(text) > 20


def test_the_readme_names_every_command_and_format() -> None:
    """A reader of the README learns of everything that there is."""
    text = (ROOT / "README.md").read_text()
    for command in group.list_commands(None):  # type: ignore[arg-type]
        assert f"aibom {command}" in text, command
    for name in EMITTERS:
        assert f"`{name}`" in text, name


def test_exit_codes_are_documented() -> None:
    """Every exit code stands in the README."""
    text = (ROOT / "README.md").read_text()
    for code in ("0", "1", "2", "3", "130"):
        assert re.search(rf"^\| {code} \|", text, re.MULTILINE), code


def test_links_between_pages_lead_somewhere() -> None:
    """A relative link in a page names a file that is there."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "schemas").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"

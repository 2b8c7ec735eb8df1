"""YAML of strangers becomes text, lists and mappings, within bounds."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.resolvers import yaml_documents
from aibom.resolvers.yaml_documents import parse_yaml

LIMITS = Limits()


def value(text: str) -> Any:
    return parse_yaml(text, LIMITS).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("1.10", "1.10"),
        ("0x10", "0x10"),
        ("null", None),
        ("~", None),
        ("true", True),
        ("'true'", "true"),
        ("''", ""),
        ("", None),
        ("|\n a\n b\n", "a\nb\n"),
    ],
)
def test_plain_scalars_stay_text(text: str, expected: object) -> None:
    """Only null, true and false leave text: a language code, a date and a version keep their spelling."""
    assert expected == value(f"k: {text}")["k"]


def test_lists_and_mappings_keep_their_lines() -> None:
    """Every value knows the line on which it stands."""
    document = parse_yaml("a:\n- x\n- y\nb:\n  c: 1\n", LIMITS)
    assert {"a": ["x", "y"], "b": {"c": "1"}} == document.value
    assert {"a": 1, "a.0": 2, "a.1": 3, "b": 4, "b.c": 5} == dict(document.lines)


def test_a_duplicate_key_is_named_and_the_first_kept() -> None:
    """A key that stands twice is named with its second line."""
    document = parse_yaml("license: mit\nlicense: gpl-3.0\n", LIMITS)
    assert {"license": "mit"} == document.value
    assert (("license", 2),) == document.duplicates


def test_tags_build_nothing() -> None:
    """An explicit tag is noted, and its content stays plain."""
    document = parse_yaml("a: !!python/object/apply:os.system ['echo']\nb: !x y\nc: !!str 1\n", LIMITS)
    assert {"a": ["echo"], "b": "y", "c": "1"} == document.value
    assert [("tag:yaml.org,2002:python/object/apply:os.system", 1), ("!x", 2)] == list(document.tags)


def test_anchors_are_followed() -> None:
    """An alias repeats the value of its anchor, as a value, as a key, and in a merge."""
    text = "a: &x {k: v}\nb: *x\nc:\n  <<: *x\n  n: 1\nd: &s name\n? *s\n: 2\n"
    assert {"a": {"k": "v"}, "b": {"k": "v"}, "c": {"k": "v", "n": "1"}, "d": "name", "name": "2"} == value(text)
    assert {"k": "own"} == value("a: &x {k: v}\nb:\n  k: own\n  <<: [*x]\n")["b"]


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "? [a]\n: b",
        "? {a: 1}\n: b",
        "a: *unknown",
        "a: &x [1, *x]",
        "a: &x [1]\n? *x\n: 2",
        "a:\n  <<: text",
        "\x00",
        "\tb: 1",
        "a: \ud800",
    ],
)
def test_what_is_no_plain_yaml_is_malformed(text: str) -> None:
    """Syntax faults, keys that are no text, and aliases to what is not finished are malformed."""
    with pytest.raises(MalformedFile):
        parse_yaml(text, LIMITS)


def test_aliases_are_counted() -> None:
    """More aliases than the limit are refused."""
    with pytest.raises(LimitExceeded, match="more than 2 aliases"):
        parse_yaml("a: &x 1\nb: [*x, *x, *x]\n", Limits(yaml_aliases=2))


def test_a_bomb_of_aliases_is_refused_before_it_expands() -> None:
    """Nine levels of ten aliases would be a billion values."""
    levels = ["l0: &l0 [" + ", ".join("a" * 10) + "]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(LimitExceeded, match="expands to more"):
        parse_yaml("\n".join(levels), Limits(yaml_aliases=10_000))


def test_a_bomb_of_merges_is_refused() -> None:
    """Merge keys copy; copies are counted."""
    base = "a0: &a0 {" + ", ".join(f"k{n}: v" for n in range(5000)) + "}\n"
    text = base + "".join(f"b{n}:\n  <<: *a0\n" for n in range(60))
    with pytest.raises(LimitExceeded, match="expands to more"):
        parse_yaml(text, LIMITS)


def test_depth_is_bounded() -> None:
    """Nesting deeper than the limit is refused, however it is written."""
    with pytest.raises(LimitExceeded, match="deeper"):
        parse_yaml("[" * 5000, LIMITS)
    with pytest.raises(LimitExceeded, match="deeper"):
        parse_yaml("".join("  " * n + "a:\n" for n in range(200)), LIMITS)


def test_length_is_bounded() -> None:
    """YAML longer than the limit is not parsed."""
    with pytest.raises(LimitExceeded, match="limit 3"):
        parse_yaml("a: 1", Limits(yaml_bytes=3))


def test_long_keys_do_not_multiply() -> None:
    """A long key above many values does not make as many long paths."""
    document = parse_yaml("k" * 400 + ":\n" + "- a\n" * 2000, LIMITS)
    assert not any(len(path) > 400 for path in document.lines)


def test_only_the_first_document_counts() -> None:
    """What follows the end of the first document is not read."""
    assert value("a: 1\n---\nb: 2\n") == {"a": "1"}


def test_pure_python_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the C parser the events are the same."""
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert yaml_documents.parse_yaml("a: [no, 1.10]", LIMITS).value == {"a": ["no", "1.10"]}


LINES = st.lists(
    st.sampled_from(
        ["a: 1", "b: &x [1, 2]", "c: *x", "- d", "  e: {f: g}", "<<: *x", "? h", ": i", "j: |", "  k", "l: !!t m",
         "---", "...", "n: 'o'", "  - p: q", "? [r]", "s: &y", "t: &x {u: v}", "# w", "\t"]
    ),
    max_size=12,
)  # fmt: skip


@given(LINES)
@settings(max_examples=200)
def test_any_lines_raise_only_faults(lines: list[str]) -> None:
    """Whatever lines stand together, only the two faults are raised."""
    with contextlib.suppress(FileFault):
        parse_yaml("\n".join(lines), LIMITS)


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_any_text_raises_only_faults(text: str) -> None:
    """Whatever text stands there, only the two faults are raised."""
    with contextlib.suppress(FileFault):
        parse_yaml(text, LIMITS)

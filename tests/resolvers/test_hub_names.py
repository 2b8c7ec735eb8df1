"""What people write as a model's id is read as what it is, and local paths leak no directories."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.resolvers.hub_names import parse_name, purl_of

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("raw", "kind", "shown", "revision"),
    [
        ("meta-llama/Llama-3.1-8B", "hub", "meta-llama/Llama-3.1-8B", None),
        (" 'a/b' ", "hub", "a/b", None),
        (f"a/b@{SHA}", "hub", "a/b", SHA),
        ("hf://a/b@main", "hub", "a/b", "main"),
        ("https://huggingface.co/a/b", "hub", "a/b", None),
        ("https://huggingface.co/a/b/tree/main", "hub", "a/b", "main"),
        ("https://huggingface.co/a/b/blob/v1/README.md?x=1", "hub", "a/b", "v1"),
        ("huggingface.co/datasets/a/b/", "hub", "a/b", None),
        (f"/root/.cache/huggingface/hub/models--a--b-c/snapshots/{SHA}/", "hub", "a/b-c", SHA),
        ("models--a--b", "hub", "a/b", None),
        ("gpt2", "name", "gpt2", None),
        ("bert-base-uncased", "name", "bert-base-uncased", None),
        ("/home/alice/secret-project/llama-7b", "local", "a local path ending in 'llama-7b'", None),
        ("./out", "local", "a local path ending in 'out'", None),
        ("../models/x", "local", "a local path ending in 'x'", None),
        ("C:\\models\\x", "local", "a local path ending in 'x'", None),
        ("outputs/run-1", "local", "a local path ending in 'run-1'", None),
        ("mymodel/checkpoint-500", "local", "a local path ending in 'checkpoint-500'", None),
        ("a/b/c", "local", "a local path ending in 'c'", None),
        ("$HOME/x", "local", "a local path ending in 'x'", None),
        ("https://example.org/models/x.gguf", "url", "x.gguf", None),
    ],
)
def test_names_are_told_apart(raw: str, kind: str, shown: str, revision: str | None) -> None:
    """Ids, URLs, cache paths and local paths are told apart."""
    name = parse_name(raw)
    assert name is not None
    assert (kind, shown, revision) == (name.kind, name.shown, name.revision)


@pytest.mark.parametrize(
    "raw", ["", "  ", "..", "/", "a b c", "Some Title", "x\ny", "https://", "a" * 2000, "https://a b/c", "é/ü"]
)
def test_what_names_nothing_is_none(raw: str) -> None:
    """Prose, empty text and broken URLs name nothing."""
    assert parse_name(raw) is None


def test_only_a_full_commit_pins() -> None:
    """A branch or a short hash is no commit."""
    assert [SHA, None, None] == [
        name.commit for raw in (f"a/b@{SHA.upper()}", "a/b@main", "a/b@0123456") if (name := parse_name(raw))
    ]


def test_capitals_do_not_tell_names_apart() -> None:
    """The hub finds a repository whatever its capitals."""
    first, second = parse_name("Acme/Chat"), parse_name("acme/chat")
    assert first is not None
    assert second is not None
    assert first.key == second.key


@pytest.mark.parametrize(
    ("raw", "purl"),
    [
        (f"Acme/Chat@{SHA}", f"pkg:huggingface/Acme/Chat@{SHA}"),
        ("Acme/Chat@main", "pkg:huggingface/Acme/Chat"),
        ("gpt2", None),
        ("./x", None),
    ],
)
def test_purls_hold_commits_only(raw: str, purl: str | None) -> None:
    """A package URL needs an owner, and has a version only where it is a commit."""
    name = parse_name(raw)
    assert name is not None
    assert purl == purl_of(name)


@given(st.text(st.sampled_from("ab/\\.-_@:~$C 1'\"\nhttps"), max_size=40))
@settings(max_examples=200)
def test_no_directory_leaks(raw: str) -> None:
    """Whatever is written, a local name is one path part."""
    name = parse_name(raw)
    if name is not None and name.kind == "local":
        assert "/" not in name.name
        assert "\\" not in name.name

"""License texts are recognised word by word; a text that adds or drops a condition is not."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.resolvers.license_samples import agreement, apache, bsd3, installed, mit

from aibom.errors import DataError
from aibom.resolvers import license_prints
from aibom.resolvers.license_prints import load_prints, parse_prints, read_words, sketch_of, write_prints
from aibom.resolvers.license_texts import detect
from aibom.resolvers.license_titles import titled


def found(text: str) -> list[str | None] | None:
    detection = detect(text)
    return [item.expression for item in detection.licenses] if detection else None


def test_known_texts_are_recognised() -> None:
    """Apache-2.0, MIT and BSD-3-Clause are what they are, whoever holds the copyright."""
    assert (["Apache-2.0"], ["MIT"], ["BSD-3-Clause"]) == (found(apache()), found(mit()), found(bsd3()))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: (
            re.sub(r"\s+", " ", text).replace("Copyright", "\nCopyright").replace("Permission", "\n\nPermission")
        ),
        str.upper,
        lambda text: "# The MIT License\n\n**MyProject**\n\n" + text,
        lambda text: text.replace('"', "“"),
        lambda text: "Copyright (c) 2026 A Person <a@example.org>\nhttps://example.org\n" + text,
    ],
)
def test_layout_title_and_owner_do_not_matter(change: Callable[[str], str]) -> None:
    """Line ends, quotes, capitals, titles and owners are no part of the terms."""
    assert ["MIT"] == found(change(mit()))


@pytest.mark.parametrize(
    "addition",
    [
        "The Software may not be used for commercial purposes.",
        "If you have more than 100 million monthly active users, you shall display “Kimi K2” prominently.",
        "The Software shall be used for Good, not Evil.",
        "Users in the European Union are excluded.",
        "You must obtain a license if your revenue exceeds 20 million.",
    ],
)
@pytest.mark.parametrize("text", [mit, apache, bsd3], ids=["mit", "apache", "bsd3"])
def test_an_added_condition_is_another_license(text: Callable[[], str], addition: str) -> None:
    """One sentence more, in front, inside or behind, and it is no longer that license."""
    whole = text()
    middle = whole.find("\n\n", len(whole) // 2)
    for altered in (
        f"{whole}\n\n{addition}\n",
        f"{addition}\n\n{whole}",
        whole[:middle] + f"\n\n{addition}" + whole[middle:],
    ):
        detection = detect(altered)
        # The text of the JSON license is MIT with that one sentence, and is known.
        assert detection is None or not {"MIT", "Apache-2.0", "BSD-3-Clause"} & {
            item.expression for item in detection.licenses
        }


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("WITHOUT WARRANTY OF ANY KIND", "WITH WARRANTY"),
        ("without restriction", "with restriction"),
        ("free of charge", "for a fee"),
        ("to any person", "to no person"),
    ],
)
def test_a_turned_condition_is_another_license(word: str, other: str) -> None:
    """A few words exchanged turn the terms."""
    assert mit() != (altered := mit().replace(word, other))
    assert ["MIT"] != found(altered)


def test_a_dropped_condition_is_another_license() -> None:
    """The notice condition taken out of MIT leaves another license."""
    altered = re.sub(r"The above copyright notice.*?Software\.", "", mit(), flags=re.DOTALL)
    assert altered != mit()
    assert ["MIT"] != found(altered)


@pytest.mark.parametrize("gone", ["sublicense, ", "copyright notice and this ", "publish, distribute, "])
def test_a_word_taken_out_is_another_license(gone: str) -> None:
    """A right or a duty that is gone, with nothing in its place, is no name that differs."""
    whole = " ".join(mit().split())
    assert gone in whole
    assert ["MIT"] != found(whole.replace(gone, ""))


def test_a_word_put_in_is_another_license() -> None:
    """A notice that must stay unmodified is a condition that BSD does not have."""
    whole = " ".join(bsd3().split())
    assert "retain the above copyright notice, this" in whole
    altered = whole.replace(
        "retain the above copyright notice, this", "retain the above copyright notice unmodified, this"
    )
    assert ["BSD-3-Clause"] != found(altered)


def test_of_the_long_tail_only_the_exact_words_tell() -> None:
    """A license of which nothing is known but its text is recognised word for word, and not with another name."""
    whole = (
        "The authors hereby grant permission to use, copy, modify, distribute, and license this software and its "
        "documentation for any purpose, provided that existing copyright notices are retained in all copies."
    )
    words = read_words(whole)
    item = license_prints.Print(ids=("Tail-1.0",), codes=words.codes, sketch=sketch_of(words.codes))
    prints = license_prints.Prints(items=(item,), by_codes={words.codes: item}, version="1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aibom.resolvers.license_texts.load_prints", lambda: prints)
        exact, named = detect(whole), detect(whole.replace("The authors", "Acme and friends"))
    assert exact is not None
    assert ["Tail-1.0"] == [license_.name for license_ in exact.licenses]
    assert named is None or not named.licenses


def test_what_only_resembles_says_so() -> None:
    """MIT with terms of its own is named as not MIT, with the words that are new."""
    detection = detect(mit() + "\n\nNo one with a revenue above 20 million may use it.\n")
    assert detection is not None
    assert (True, ("MIT",), ()) == (detection.turned, detection.near, detection.licenses)
    assert "no one with a revenue" in detection.statement


def test_two_texts_in_one_file_are_two_licenses() -> None:
    """Apache-2.0 followed by MIT is both."""
    assert {"Apache-2.0", "MIT"} == set(found(apache() + "\n\n" + mit()) or ())


def test_apache_without_its_appendix_is_apache() -> None:
    """The advice after the terms may be left out."""
    assert ["Apache-2.0"] == found(apache().partition("APPENDIX")[0])


def test_texts_that_serve_several_ids_leave_the_choice_open() -> None:
    """The text of the GPL does not say whether later versions are allowed."""
    numpy = installed("numpy")
    assert found(numpy) is None or "GPL-3.0-only" not in (found(numpy) or ())
    gpl = next(item for item in load_prints().items if item.ids == ("GPL-3.0-only", "GPL-3.0-or-later"))
    assert gpl.codes


@pytest.mark.parametrize("text", ["", "   ", "See the website.", "word " * 5, "lorem ipsum dolor " * 300, "\x00" * 50])
def test_other_texts_are_nothing(text: str) -> None:
    """Texts of no license are nothing."""
    assert detect(text) is None


@pytest.mark.parametrize(
    ("title", "more", "key"),
    [
        ("META LLAMA 3 COMMUNITY LICENSE AGREEMENT", "Meta Llama 3 Version Release Date: April 18, 2024", "llama3"),
        ("# **LLAMA 3.1 COMMUNITY LICENSE AGREEMENT**", "Llama 3.1 Version Release Date: July 23, 2024", "llama3.1"),
        ("DINOv3 License", "", "dinov3-license"),
        ("SAM License", "", "sam-license"),
        ("Tongyi Qianwen RESEARCH LICENSE AGREEMENT", "", "tongyi-qianwen-research"),
    ],
)
def test_titles_tell_agreements(title: str, more: str, key: str) -> None:
    """An agreement without a print is known by its title line and its date line."""
    detection = detect(agreement(title, more))
    assert detection is not None
    assert ([key], "title") == ([item.key for item in detection.licenses], detection.method)


@pytest.mark.parametrize(
    ("title", "more"),
    [
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT", "Version Release Date: today"),
        ("EVA LLAMA 3.3 COMMUNITY LICENSE AGREEMENT", "Llama 3.3 Version Release Date: December 6, 2024"),
        ("This model is under the DINOv3 License", ""),
        ("DINOv3 License\nSAM License", ""),
    ],
)
def test_other_titles_tell_nothing(title: str, more: str) -> None:
    """A wrong date, a longer title, a sentence, or two titles tell nothing."""
    assert titled(agreement(title, more)) is None


def test_a_pointer_with_a_title_is_no_agreement() -> None:
    """A few words under a title are no text of terms."""
    assert titled("DINOv3 License\nsee https://example.org") is None


def test_prints_round_trip() -> None:
    """What the builder writes is what the loader reads."""
    prints = [(("A", "B"), read_words("one two three four five six seven eight").codes), (("C",), b"12345678901234")]
    again = parse_prints(write_prints(prints, "v1"))
    assert ("v1", [("A", "B"), ("C",)]) == (again.version, [item.ids for item in again.items])
    assert [codes for _, codes in prints] == [item.codes for item in again.items]
    assert list(again.items[0].sketch) == list(sketch_of(prints[0][1]))


def test_broken_prints_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data file that is absent, or something else, is an error of the installation."""
    with pytest.raises(ValueError, match="not a file of license prints"):
        parse_prints(b"nothing")
    load_prints.cache_clear()
    monkeypatch.setattr(license_prints, "FILE", "absent.bin")
    with pytest.raises(DataError, match=r"absent\.bin"):
        load_prints()
    load_prints.cache_clear()


def test_the_shipped_prints_know_the_usual_licenses() -> None:
    """SPDX licenses and the agreements of large publishers are among the prints; the file is small."""
    ids = {key for item in load_prints().items for key in item.ids}
    assert {"Apache-2.0", "MIT", "CC-BY-4.0", "OpenMDW-1.0", "llama3.1", "gemma", "creativeml-openrail-m"} <= ids
    assert len(load_prints().items) > 700


@given(st.text(max_size=300))
@settings(max_examples=100)
def test_any_text_is_survived(text: str) -> None:
    """Whatever a license file holds, it is recognised or not."""
    detect(text)
    detect(mit() + text)


@given(st.integers(0, 150), st.sampled_from(["not", "only commercial", "except in the EU", "revenue", "must pay"]))
@settings(max_examples=100)
def test_a_turning_word_anywhere_is_seen(place: int, word: str) -> None:
    """A word that can turn a condition is seen at every place of the text."""
    words = mit().partition("Permission")[2].split()
    place %= len(words)
    assume(word not in {part.lower().strip(",.") for part in words[max(0, place - 1) : place + 1]})
    assert ["MIT"] != found(" ".join(["Permission", *words[:place], word, *words[place:]]))


def test_a_text_with_little_in_common_is_nothing() -> None:
    """Half of a license is not called anything."""
    assert detect(" ".join(apache().split()[:400])) is None


def test_a_license_under_another_title_is_not_recognised() -> None:
    """The title names another version: the text may be of that version."""
    altered = apache().replace("Version 2.0, January 2004", "Version 3.1, March 2030")
    assert altered != apache()
    assert ["Apache-2.0"] != found(altered)


@pytest.mark.parametrize("filler", ["nothing much stands here " * 30, "you must pay a fee " * 5])
def test_a_known_text_beside_unknown_ones_is_not_enough(filler: str) -> None:
    """Two known texts with other terms between them are no answer."""
    assert found(apache() + "\n" + filler + "\n" + mit()) in (None, [])


def test_three_texts_in_one_file_are_three_licenses() -> None:
    """A file of several licenses is taken apart to its end."""
    assert {"Apache-2.0", "MIT", "BSD-3-Clause"} == set(found(f"{mit()}\n\n{apache()}\n\n{bsd3()}") or ())

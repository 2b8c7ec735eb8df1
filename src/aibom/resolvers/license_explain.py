"""Explain a license to a reader: its terms, how far they reach, where that was read, and how sure it is."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from aibom.data.license_table import License, license_table
from aibom.data.license_terms import About, Kind, Reach, Term, terms_of
from aibom.errors import UsageError
from aibom.resolvers.license_names import candidates, read_name

_WIDTH = 80
_EVIDENCE = {
    "T": "license text",
    "S": "ScanCode's copy of the license text",
    "X": "an excerpt of the text",
    "C": "a census of license names, not the text",
    "M": "the maintainers' knowledge",
}
_REACH = {
    Reach.DERIVATIVE: "what is made from it",
    Reach.OUTPUT: "models trained on its outputs",
    Reach.HOSTED_SERVICE: "hosted services",
    Reach.WHOLE_PRODUCT: "products that contain it",
}
_TITLES = {Kind.GRANT: "Grants", Kind.FORBID: "Forbids", Kind.DUTY: "Asks for", Kind.THRESHOLD: "Above a size"}


def describe_license(name: str) -> str:
    """Return what is known of a license, by its key, hub id or SPDX id, for a terminal of 80 columns.

    Raises:
        UsageError: there is no such license; the hint names the nearest.
    """
    found = read_name(name).license or license_table().find(name)
    if found is None:
        several = candidates(name)
        if several:
            keys = ", ".join(row.key for row in several)
            raise UsageError(f"{name!r} is a name of several licenses", hint=f"one of {keys}")
        near = difflib.get_close_matches(name.lower(), license_table().by_key, n=1)
        raise UsageError(
            f"there is no license {name!r} in the table", hint=f"did you mean license:{near[0]}?" if near else None
        )
    return "\n".join(_lines(found))


def _lines(row: License) -> Iterator[str]:
    yield f"{row.name} (license:{row.key})"
    if row.expression:
        yield f"written as {row.expression}"
    yield ""
    for kind, title in _TITLES.items():
        chosen = [term for term in terms_of(row) if term.kind is kind]
        if chosen:
            yield f"{title}:"
        # One cell of the table often holds several duties: its words are shown once.
        for text, terms in groupby(chosen, key=lambda term: term.text):
            yield from _terms(text, list(terms))
    yield f"May be revoked: {row.revocable}"
    yield from _wrapped("Outputs: ", row.output_restriction)
    yield from _wrapped(
        "Free and open-source in the sense of Art. 53(2) EU AI Act: ", f"{row.aiact_foss}, {row.aiact_reason}"
    )
    if row.notes:
        yield from _wrapped("Note: ", row.notes)
    yield ""
    yield f"Source: {row.source.replace('hf:', 'https://huggingface.co/') or 'none'}"
    yield f"Read from {_EVIDENCE[row.evidence]}; confidence {row.confidence}. Not legal advice."


def _terms(text: str, terms: Sequence[Term]) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(_name(term) for term in terms))
    reach = dict.fromkeys(item for term in terms if term.kind is not Kind.GRANT for item in term.reach)
    extent = f" [reaches {', '.join(_REACH[item] for item in reach)}]" if reach else ""
    yield from _wrapped("  - ", f"{names}: {text}{extent}")


def _name(term: Term) -> str:
    name = term.about.value.replace("-", " ")
    if term.value:
        return f"{name} above {term.value:,.0f}"
    return f"{name} “{term.argument}”" if term.about is About.NAME_PREFIX else name


def _wrapped(start: str, text: str) -> list[str]:
    indent = "    " if start.startswith("  -") else "  "
    return textwrap.wrap(start + text, _WIDTH, subsequent_indent=indent)

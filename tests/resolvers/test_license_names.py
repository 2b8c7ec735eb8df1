"""License names become expressions and rows, or neither where they name no one license."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from aibom.components import LicenseClaim
from aibom.data.license_table import License, license_table
from aibom.errors import UsageError
from aibom.findings import Evidence
from aibom.resolvers.license_explain import describe_license
from aibom.resolvers.license_names import candidates, keys_of, read_name, rows_of


@pytest.mark.parametrize(
    ("raw", "key", "expression"),
    [
        ("apache-2.0", "apache-2.0", "Apache-2.0"),
        ("Apache 2.0", "apache-2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0", "Apache-2.0"),
        ("MIT License", "mit", "MIT"),
        ("bsl-1.0", "bsl-1.0", "BSL-1.0"),
        ("gpl-3.0", "gpl-3.0", "GPL-3.0-only OR GPL-3.0-or-later"),
        ("GPL-3.0-or-later", "gpl-3.0", "GPL-3.0-or-later"),
        ("AGPL-3.0", "agpl-3.0", "AGPL-3.0-only OR AGPL-3.0-or-later"),
        ("odc-by", "odc-by", "ODC-By-1.0"),
        ("llama3.1", "llama3.1", "LicenseRef-scancode-llama-3.1-license-2024"),
        ("LicenseRef-aibom-llama-3", "llama3", "LicenseRef-aibom-llama-3"),
        ("flux-1-dev-non-commercial-license", "flux-1-dev-nc", "LicenseRef-scancode-flux-1-nc"),
        ("MIT OR Apache-2.0", None, "MIT OR Apache-2.0"),
        ("mit and cc-by-nc-4.0", None, "MIT AND CC-BY-NC-4.0"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", None, "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("0BSD", None, "0BSD"),
        ("llama3.1 (commercial)", "llama3.1", "LicenseRef-scancode-llama-3.1-license-2024"),
        ("gpl", None, None),
        ("bsd", None, None),
        ("openrail", None, None),
        ("other", None, None),
        ("unknown", None, None),
        ("modified-mit", None, None),
        ("my own terms", None, None),
        ("((((", None, None),
        ("", None, None),
        ("x" * 5000, None, None),
        ("(" * 60 + "mit", None, None),
        ("mit AND", None, None),
    ],
)
def test_names(raw: str, key: str | None, expression: str | None) -> None:
    """Hub ids, SPDX ids and expressions, spoken names and traps each lead where they belong."""
    named = read_name(raw)
    assert (key, expression) == (named.license.key if named.license else None, named.expression)


def test_expressions_are_valid_for_spdx() -> None:
    """Every expression of an SPDX license is one that license-expression accepts."""
    licensing = get_spdx_licensing()
    newer = {"OpenMDW-1.0"}  # listed by SPDX since the library's last release
    for row in license_table().rows:
        if row.in_spdx and row.expression not in newer:
            expression = read_name(row.key).expression or row.expression
            assert not licensing.validate(expression).errors


def test_candidates_are_the_licenses_of_a_shared_name() -> None:
    """A slug that four publishers use names all four."""
    assert {"kimi-k2-modified-mit", "minimax-m2", "minimax-m2.5", "mistral-modified-mit"} == {
        row.key for row in candidates("Modified MIT")
    }


def claim(expression: str | None, key: str | None = None) -> LicenseClaim:
    return LicenseClaim(raw="x", basis="declared", expression=expression, key=key, evidence=Evidence(statement=""))


@pytest.mark.parametrize(
    ("expression", "key", "expected"),
    [
        ("MIT AND Apache-2.0", None, ["mit", "apache-2.0"]),
        ("MIT OR Apache-2.0", None, ["mit"]),
        ("MIT OR Apache-2.0", "mit", ["mit"]),
        (None, None, []),
        ("0BSD", None, []),
    ],
)
def test_claims_stand_for_rows(expression: str | None, key: str | None, expected: list[str]) -> None:
    """All of an AND apply, one of an OR is enough."""
    assert expected == [row.key for row in rows_of(claim(expression, key))]


def test_broken_expressions_hold_no_keys() -> None:
    """What is no expression holds no license."""
    assert () == keys_of("MIT AND AND")


@given(st.text(max_size=60) | st.text(st.sampled_from("MITandOR()+-. 20"), max_size=30))
@settings(max_examples=200)
def test_any_name_is_read(raw: str) -> None:
    """Whatever stands as license, it is read without a fault."""
    keys_of(read_name(raw).expression or raw)


def test_a_license_is_explained_with_its_terms_and_source() -> None:
    """The explanation holds grants, duties, thresholds, reach, source and confidence in 80 columns."""
    text = describe_license("llama3.1")
    parts = ["Llama 3.1 Community License Agreement", "name prefix “Llama”", "700,000,000", "hosted services"]
    assert all(part in text for part in [*parts, "https://github.com/meta-llama", "Not legal advice"])
    assert all(len(line) <= 80 or line.startswith("Source") for line in text.split("\n"))


@pytest.mark.parametrize("row", license_table().rows, ids=lambda row: row.key)
def test_every_license_can_be_explained(row: License) -> None:
    """There is an explanation for each row."""
    assert row.name in describe_license(row.key)


@pytest.mark.parametrize(
    ("name", "hint"), [("llama31", "license:llama"), ("modified-mit", "kimi-k2-modified-mit"), ("qqqqqqqq", None)]
)
def test_an_unknown_license_has_a_hint(name: str, hint: str | None) -> None:
    """A name that is near, or one of several licenses, is answered with what may be meant."""
    with pytest.raises(UsageError) as caught:
        describe_license(name)
    assert (hint is None) == (caught.value.hint is None)
    if hint:
        assert hint in (caught.value.hint or "")

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from aibom.config import config_schema, find_config, load_config
from aibom.errors import UsageError

SCHEMA = Path(__file__).parent.parent / "schemas" / "config.schema.json"
EVERYTHING = """
[scan]
fail-on = "critical"
output = ["table", "sarif=out.sarif"]

[[ignore]]
rule = "pickle-unknown-import"
path = "pytorch_model.bin"
sha256 = "9f2c"
reason = "reviewed in SEC-142"
until = 2027-03-01

[policy]
allow-licenses = ["Apache-2.0", "MIT"]
require-signature = true
trusted-keys = ["keys/release.pub"]
deny-formats = ["pickle"]
deny-determinations = { art-51-systemic = "indicates" }

[bom]
supplier = "ACME"
author = "security@acme.example"

[profile]
commercial = true
users = 2_000_000
region = "EU"

[operator]
role = "deployer"
intended-purpose = "cv-screening"
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_every_table_is_read(tmp_path: Path) -> None:
    """The example of the documentation is read whole."""
    tables = load_config(write(tmp_path / "aibom.toml", EVERYTHING)).tables
    assert dt.date(2027, 3, 1) == tables.ignore[0].until
    assert ("Apache-2.0", "MIT") == tables.policy.allow_licenses
    assert (2_000_000, "deployer", "critical") == (tables.profile.users, tables.operator.role, tables.scan.fail_on)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[polcy]", "unknown key 'polcy'", "did you mean policy?"),
        ("[policy]\nallow_licenses = []", "unknown key 'allow_licenses' in [policy]", "did you mean allow-licenses?"),
        ("[[ignore]]\nrule='x'\nreason='y'\nqqqq=1", "unknown key 'qqqq' in [ignore]", "known: path, reason"),
        ("[[ignore]]\nrule='x'", "missing required field `reason`", "configuration.md"),
        ("[profile]\nusers='many'", "users", "configuration.md"),
        ("ignore = 3", "array", "configuration.md"),
        ("[", "not TOML", None),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, text: str, message: str, hint: str | None) -> None:
    """A key or value that means nothing is an error that names it, never silently passed over."""
    with pytest.raises(UsageError) as caught:
        load_config(write(tmp_path / "aibom.toml", text))
    assert message in str(caught.value)
    assert (hint is None) or (caught.value.hint is not None and hint in caught.value.hint)


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    """The file is looked for upwards; a pyproject without our table is passed over."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_config(inner) is None
    outer = write(tmp_path / "aibom.toml", "")
    write(inner / "pyproject.toml", "[project]\nname='x'")
    assert outer == find_config(inner)
    own = write(inner.parent / "pyproject.toml", "[tool.aibom.bom]\nsupplier='ACME'")
    assert own == find_config(inner)
    assert "ACME" == load_config(own).tables.bom.supplier


def test_a_pyproject_without_our_table_is_no_configuration(tmp_path: Path) -> None:
    """Naming such a file explicitly is an error."""
    with pytest.raises(UsageError, match=r"no \[tool.aibom\]"):
        load_config(write(tmp_path / "pyproject.toml", ""))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A configuration that was named and is not there is not passed over."""
    with pytest.raises(UsageError, match="can't be read"):
        load_config(tmp_path / "aibom.toml")


def test_the_published_schema_is_that_of_the_code() -> None:
    """schemas/config.schema.json is generated from the tables that the loader uses."""
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(config_schema()))

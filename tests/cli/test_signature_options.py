from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integrity.forge import KEY, OTHER_KEY, issue, pem, private_pem, signed_model

from aibom.cli import main

FILES = {"config.json": b'{"model_type": "llama"}', "README.md": b"---\nlicense: mit\n---\n# Model\n"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "model").mkdir()
    # The bundle's own time is not checked, only that of certificates: any run can verify it.
    for name, data in signed_model(FILES).items():
        (tmp_path / "model" / name).write_bytes(data)
    (tmp_path / "key.pub").write_bytes(pem(KEY))
    (tmp_path / "other.pub").write_bytes(pem(OTHER_KEY))
    (tmp_path / "key.pem").write_bytes(private_pem(KEY))
    (tmp_path / "ca.pem").write_bytes(issue("root", ca=True).pem)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def statuses(path: Path) -> list[str]:
    return [item["status"] for item in json.loads(path.read_text())["verifications"]]


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        ([], 0, "present-unverified"),
        (["--key", "key.pub"], 0, "verified"),
        (["--key", "key.pub", "--require-signature"], 0, "verified"),
        (["--require-signature"], 1, "present-unverified"),
        (["--require-signature", "--fail-on", "never"], 1, "present-unverified"),
        (["--key", "other.pub"], 1, "invalid"),
        (["--key", "other.pub", "--key", "key.pub"], 0, "verified"),
        (["--ca", "ca.pem"], 0, "present-unverified"),
    ],
)
def test_signatures_decide_about_the_exit_code(folder: Path, options: list[str], code: int, status: str) -> None:
    """A trusted signature passes, an untrusted one fails, an absent one fails where one is required."""
    assert code == main(["scan", "model", "--no-config", "-o", "json=out.json", *options])
    assert [status] == statuses(folder / "out.json")


def test_the_policy_names_keys_beside_its_file(folder: Path) -> None:
    """`trusted-keys` are relative to the configuration, and `require-signature` holds without an option."""
    (folder / "etc").mkdir()
    (folder / "etc" / "release.pub").write_bytes(pem(KEY))
    config = folder / "etc" / "aibom.toml"
    config.write_text('[policy]\nrequire-signature = true\ntrusted-keys = ["release.pub"]\n')
    assert 0 == main(["scan", "model", "--config", str(config), "-o", "json=out.json"])
    assert ["verified"] == statuses(folder / "out.json")
    (folder / "etc" / "release.pub").write_bytes(pem(OTHER_KEY))
    assert 1 == main(["scan", "model", "--config", str(config), "-o", "json=out.json"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--key", "gone.pub"], "gone.pub can't be read"),
        (["--key", "key.pem"], "private key"),
        (["--key", "ca.pem"], "--ca"),
        (["--ca", "key.pub"], "no certificate"),
        (["--trusted-root", "key.pub"], "not JSON"),
    ],
)
def test_material_of_the_wrong_kind_is_wrong_usage(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    """Nothing is scanned with a key that can't be used."""
    assert 2 == main(["scan", str(folder / "model"), "--no-config", *options])
    assert message in capsys.readouterr().err


def test_tensor_digests_are_in_the_report_when_asked_for(folder: Path) -> None:
    """Without the option there are none, and nothing is computed."""
    real = Path(__file__).parents[2] / "fixtures" / "real" / "transformers" / "tiny-bert"
    main(["scan", str(real), "--no-config", "--tensor-digests", "-o", "json=with.json"])
    main(["scan", str(real), "--no-config", "-o", "json=without.json"])
    (root,) = json.loads((folder / "with.json").read_text())["tensor_roots"]
    assert 64 == len(root["named"])
    assert [] == json.loads((folder / "without.json").read_text())["tensor_roots"]


def test_what_tensor_digests_cost_and_leave_out_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Terminal, page and BOM tell which tensors took a second read, and which have no digest."""
    real = Path(__file__).parents[2] / "fixtures" / "real" / "torch"
    (folder / "views").mkdir()
    for name in ("strided.pt", "quantized.pt"):
        (folder / "views" / name).write_bytes((real / name).read_bytes())
    main(
        [
            "scan",
            "views",
            "--no-config",
            "--tensor-digests",
            "-o",
            "table",
            "-o",
            "cyclonedx=b.json",
            "-o",
            "html=b.html",
        ]
    )
    shown = capsys.readouterr().out
    assert "strided.pt: 4 of 4 tensors digested, 4 by a second read\n" in shown
    assert "quantized.pt: 0 of 2 tensors digested; left out: per_channel, per_tensor\n" in shown
    bom = json.loads((folder / "b.json").read_text())
    assert {
        "4 of 4 tensors digested, 4 by a second read (strided.pt)",
        "0 of 2 tensors digested; left out: per_channel, per_tensor (quantized.pt)",
    } == {item["value"] for item in _properties(bom) if item["name"] == "aibom:tensors:digested"}
    assert "4 of 4 tensors digested, 4 by a second read" in (folder / "b.html").read_text()


def _properties(bom: dict[str, Any]) -> list[dict[str, str]]:
    return [
        *bom.get("properties", []),
        *bom["metadata"].get("properties", []),
        *bom["metadata"]["component"].get("properties", []),
    ]


def test_a_policy_names_keys_beside_its_own_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--policy FILE` elsewhere brings its keys along, whatever stands beside the configuration in force."""
    (folder / "org").mkdir()
    (folder / "org" / "release.pub").write_bytes(pem(KEY))
    (folder / "org" / "policy.toml").write_text(
        '[policy]\ntrusted-keys = ["release.pub"]\ntrusted-identities = ["ci@acme.example"]\nrequire-signature = true\n'
    )
    (folder / "aibom.toml").write_text('[policy]\ntrusted-keys = ["missing.pub"]\n')
    # A key of the same name beside the configuration is another one.
    (folder / "release.pub").write_bytes(pem(OTHER_KEY))
    assert 0 == main(["scan", "model", "--policy", "org/policy.toml", "-o", "json=out.json"])
    assert ["verified"] == statuses(folder / "out.json")
    assert 2 == main(["scan", "model"])
    assert "missing.pub can't be read" in capsys.readouterr().err


def test_settings_show_whom_a_scan_trusts_and_who_said_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys by name and digest, identities and requirements stand there with the place that they came from."""
    (folder / "policy.toml").write_text(
        '[policy]\ntrusted-keys = ["other.pub"]\ntrusted-identities = ["ci@acme.example"]\nrequire-signature = true\n'
        'deny-formats = ["pickle", "joblib"]\n[policy.deny-determinations]\nart-51-systemic = "suggests"\n'
    )
    assert 0 == main(
        ["scan", "model", "--no-config", "--show-settings", "--policy", "policy.toml", "--key", "key.pub",
         "--ca", "ca.pem", "--identity", "me@acme.example", "--issuer", "https://issuer.example"]
    )  # fmt: skip
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    digest = hashlib.sha256(pem(KEY)).hexdigest()[:16]
    other = hashlib.sha256(pem(OTHER_KEY)).hexdigest()[:16]
    ca = hashlib.sha256((folder / "ca.pem").read_bytes()).hexdigest()[:16]
    for expected in (
        ["trusted-key", "key.pub", f"(sha256:{digest})", "command", "line"],
        ["trusted-key", "other.pub", f"(sha256:{other})", "policy.toml"],
        ["authority", "ca.pem", f"(sha256:{ca})", "command", "line"],
        ["identity", "me@acme.example", "command", "line"],
        ["identity", "ci@acme.example", "policy.toml"],
        ["issuer", "https://issuer.example", "command", "line"],
        ["require-signature", "True", "policy.toml"],
        ["policy", "deny-formats", "=", "pickle,", "joblib"],
        ["policy", "deny-determinations", "=", "art-51-systemic:", "suggests"],
    ):
        assert expected in lines
    main(["scan", "model", "--no-config", "--show-settings"])
    assert ["require-signature", "False", "default"] in [line.split() for line in capsys.readouterr().out.splitlines()]

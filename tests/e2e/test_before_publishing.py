"""`--publish-check` from the command line: what is found, and that no output holds a credential."""

from __future__ import annotations

import json
import random
import string
import subprocess
import sys
from pathlib import Path

import pytest

from aibom.emitters import EMITTERS

made_up = random.Random(11)  # noqa: S311 -- the same made-up values in every run
HUB = "hf_" + "".join(made_up.choice(string.ascii_letters) for _ in range(34))
CODE_HOST = "ghp_" + "".join(made_up.choice(string.ascii_letters + string.digits) for _ in range(36))
PASSWORD = "kV7-" + "".join(made_up.choice(string.ascii_letters) for _ in range(12))


def write(folder: Path) -> None:
    """A repository that quotes its credentials where other findings and fields quote them too."""
    (folder / "README.md").write_text(
        f"---\nlicense: mit\nbase_model: /home/jdoe/llama\ntags: [{CODE_HOST}]\nmodel_name: chat {HUB}\n---\n"
        f"# Chat\n\nIntended use: log in with {HUB}.\n"
    )
    (folder / "config.json").write_text(
        json.dumps({"model_type": "llama", "hub_token": HUB, "auto_map": {"AutoModel": f"{HUB}--m.X"}}, indent=1)
    )
    (folder / "setup.py").write_text(
        f'import os, requests\nos.system("curl -H {CODE_HOST} https://x")\n'
        f'requests.get("https://ci:{PASSWORD}@git.acme.corp/{CODE_HOST}")\n'
    )
    (folder / f"{CODE_HOST}.txt").write_text(CODE_HOST)
    (folder / "weights.bin").write_bytes(b"cposix\nsystem\n(S'" + f"login {HUB}".encode() + b"'\ntR.")


def scan(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aibom", "scan", "-q", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaky") / "model"
    folder.mkdir()
    write(folder)
    return folder


@pytest.mark.parametrize("output", EMITTERS)
def test_no_output_holds_a_credential(output: str, leaky: Path) -> None:
    """Not even the beginning of one, in names, quotations, metadata or arguments of calls."""
    run = scan(leaky, "--publish-check", "-o", output)
    assert 1 == run.returncode, run.stderr
    for secret in (HUB, CODE_HOST, PASSWORD):
        assert secret[:13] not in run.stdout + run.stderr
    assert "jdoe" not in run.stdout.replace("/home/jdoe/llama", "")


def test_all_is_found_once(leaky: Path) -> None:
    """Each file names each of its credentials once, at its line; the option is off unless asked for."""
    report = json.loads(scan(leaky, "--publish-check", "-o", "json").stdout)
    found = [
        (finding["location"]["path"], finding["location"]["line"])
        for finding in report["findings"]
        if finding["rule"]["id"] == "secret-found"
    ]
    places = [("README.md", 4), ("README.md", 5), ("[redacted-1].txt", 1), ("config.json", 3), ("setup.py", 2),
              ("setup.py", 3), ("weights.bin", None)]  # fmt: skip
    assert sorted(places, key=str) == sorted(found, key=str)
    quiet = json.loads(scan(leaky, "-o", "json").stdout)
    assert not {"secret-found", "internal-url", "local-path"} & {item["rule"]["id"] for item in quiet["findings"]}

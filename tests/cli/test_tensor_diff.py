from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

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
    assert "tensors" not in out.splitlines()
    assert "model: the same weights, all 6 tensors" in out
    assert "model-00002-of-00002.safetensors" in out


def test_very_many_names_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of thousands of adapters does not fill the terminal; how many more there are is said."""
    many = {f"h.{n}.lora_A.weight": b"a" for n in range(500)}
    reports = [scanned(write(tmp_path / "one", {"w": b"1"})), scanned(write(tmp_path / "two", {"w": b"1", **many}))]
    capsys.readouterr()
    assert 0 == main(["diff", *map(str, reports)])
    assert "and 100 more of them; --format json lists all" in capsys.readouterr().out


REAL = Path(__file__).parents[2] / "fixtures" / "real"


def told(capsys: pytest.CaptureFixture[str], old: Path, new: Path) -> tuple[list[tuple[str, str]], list[str]]:
    """Return kind and name of every tensor that differs, and the notes."""
    capsys.readouterr()
    assert 0 == main(["diff", str(old), str(new), "--format", "json"])
    document = json.loads(capsys.readouterr().out)
    tensors = [change for change in document["changes"] if change["aspect"] == "tensors"]
    return [(change["kind"], change["name"]) for change in tensors], document["notes"]


def test_files_of_the_real_libraries_are_compared_tensor_by_tensor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint of transformers, converted, cut anew, renamed and tuned with the safetensors library."""
    source = REAL / "transformers" / "tiny-llama-chat"
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "pytorch_model.bin").write_bytes((source / "pytorch_model.bin").read_bytes())
    base = scanned(tmp_path / "torch")
    weights = {name: value for path in source.glob("*.safetensors") for name, value in load_file(path).items()}
    names = sorted(weights)

    def saved(folder: str, **files: dict[str, Any]) -> Path:
        (tmp_path / folder).mkdir()
        for stem, tensors in files.items():
            save_file(tensors, tmp_path / folder / f"{stem.replace('_of_', '-of-').replace('_', '-')}.safetensors")
        return scanned(tmp_path / folder)

    shards = {"model_00001_of_00002": {name: weights[name] for name in names[:9]},
              "model_00002_of_00002": {name: weights[name] for name in names[9:]}}  # fmt: skip
    same = ["model: the same weights, all 21 tensors"]
    assert ([], same) == told(capsys, base, saved("single", model=weights))
    assert ([], same) == told(capsys, base, saved("shards", **shards))
    renamed = saved("renamed", weights={f"base_model.{name}": value for name, value in weights.items()})
    changes, notes = told(capsys, base, renamed)
    assert {("renamed", f"base_model.{name}") for name in names} == set(changes)
    assert ["weights: the same weights under other names, all 21 tensors"] == notes
    tuned = {name: value.copy() for name, value in weights.items()}
    tuned["model.embed_tokens.weight"][-1, -1] += 1
    tuned["model.layers.1.self_attn.q_proj.weight"][0, 0] = 0
    adapter = load_file(next((REAL / "peft").rglob("adapter_model.safetensors")))
    changes, notes = told(capsys, base, saved("tuned", model={**tuned, **adapter}))
    assert {
        ("changed", "model.embed_tokens.weight"),
        ("changed", "model.layers.1.self_attn.q_proj.weight"),
        *(("added", name) for name in adapter),
    } == set(changes)
    assert ["model: 19 tensors are the same"] == notes


def test_views_are_compared_with_what_they_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Transposed and sliced tensors of a torch file against the contiguous ones that torch loads."""
    real = REAL / "torch"
    for folder, source, name in (
        ("views", "strided.pt", "model.pt"),
        ("plain", "strided.expected.safetensors", "model.safetensors"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes((real / source).read_bytes())
    assert ([], ["model: the same weights, all 4 tensors"]) == told(
        capsys, scanned(tmp_path / "views"), scanned(tmp_path / "plain")
    )

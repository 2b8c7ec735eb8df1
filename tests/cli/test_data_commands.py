"""`aibom data`: what a scan judges by, and the advisories that the user adds to it."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aibom.cli import main

CHAT = Path(__file__).parent.parent.parent / "fixtures" / "real" / "transformers" / "tiny-llama-chat"


@pytest.fixture(autouse=True)
def data_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a data folder of its own."""
    home = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    return home


def archive(folder: Path, *, name: str = "example-lib", fixed: str = "2.0") -> Path:
    document = {
        "id": "GHSA-aaaa-bbbb-cccc",
        "modified": "2026-11-01T00:00:00Z",
        "aliases": ["CVE-2026-1234"],
        "summary": "Runs code",
        "database_specific": {"severity": "HIGH"},
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }
    place = folder / "all.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("a.json", json.dumps(document))
    return place


@pytest.fixture
def model(tmp_path: Path) -> Path:
    shutil.copytree(CHAT, tmp_path / "chat")
    (tmp_path / "chat" / "requirements.txt").write_text("torch>=2\nexample_lib==1.5\n")
    return tmp_path / "chat"


def scanned(model: Path, capsys: pytest.CaptureFixture[str], format_: str = "cyclonedx") -> tuple[int, Any]:
    code = main(["scan", str(model), "-o", format_])
    return code, json.loads(capsys.readouterr().out)


def test_a_scan_uses_the_snapshot(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After an update the pinned library has its advisory in the BOM, with its state, and the scan fails."""
    assert 0 == scanned(model, capsys)[0]
    assert 0 == main(["data", "update", "--osv", str(archive(tmp_path))])
    assert "2026-11-01: 1 entries" in capsys.readouterr().err
    code, bom = scanned(model, capsys)
    assert 1 == code
    (found,) = [entry for entry in bom["vulnerabilities"] if entry["id"] == "CVE-2026-1234"]
    (library,) = [entry for entry in bom["components"] if entry.get("purl") == "pkg:pypi/example-lib@1.5"]
    assert [{"ref": library["bom-ref"]}] == found["affects"]
    assert "OSV" == found["source"]["name"]
    assert ["GHSA-aaaa-bbbb-cccc"] == [entry["id"] for entry in found["references"]]
    assert "in_triage" == found["analysis"]["state"]
    assert "requirements.txt:2" in found["detail"]
    assert {"name": "aibom:finding:rule", "value": "known-vulnerability"} in found["properties"]
    (tool,) = bom["metadata"]["tools"]["components"]
    assert {"name": "aibom:data:osv", "value": "2026-11-01"} in tool["properties"]


def test_other_outputs_name_the_library_too(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SPDX ties the advisory to the library's package by its CVE; the report has component and advisory."""
    main(["data", "update", "--osv", str(archive(tmp_path))])
    capsys.readouterr()
    _, report = scanned(model, capsys, "json")
    (finding,) = [item for item in report["findings"] if item["rule"]["id"] == "known-vulnerability"]
    assert ("pypi:example-lib@1.5", "CVE-2026-1234") == (finding["component"], finding["advisory"])
    assert "2026-11-01" == report["rule_data"]["osv"]
    _, spdx = scanned(model, capsys, "spdx")
    graph = {item.get("spdxId"): item for item in spdx["@graph"]}
    (entry,) = [item for item in graph.values() if item.get("name") == "CVE-2026-1234"]
    assert ["CVE-2026-1234", "GHSA-aaaa-bbbb-cccc"] == [name["identifier"] for name in entry["externalIdentifier"]]
    (link,) = [item for item in graph.values() if item.get("from") == entry["spdxId"]]
    assert ["example-lib"] == [graph[to]["name"] for to in link["to"]]


def test_a_mended_version_is_clear(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A library that is pinned to the mended version has no advisory."""
    main(["data", "update", "--osv", str(archive(tmp_path, fixed="1.5"))])
    capsys.readouterr()
    code, bom = scanned(model, capsys)
    assert 0 == code
    assert "CVE-2026-1234" not in [entry["id"] for entry in bom["vulnerabilities"]]


def test_show_names_the_snapshot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`show` says that there is no snapshot, or of which day it is and how much it holds."""
    assert 0 == main(["data"])
    assert "no snapshot of OSV" in capsys.readouterr().out
    main(["data", "show", "--format", "json"])
    assert json.loads(capsys.readouterr().out)["osv"] is None
    main(["data", "update", "--osv", str(archive(tmp_path))])
    capsys.readouterr()
    main(["data", "show"])
    assert "OSV snapshot of 2026-11-01: 1 entries" in capsys.readouterr().out
    main(["data", "show", "--format", "json"])
    assert {"date": "2026-11-01", "entries": 1} == json.loads(capsys.readouterr().out)["osv"]


def test_a_failed_update_keeps_the_old_snapshot(
    tmp_path: Path, data_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An archive that can't be read, or is not there, changes nothing and leaves nothing behind."""
    main(["data", "update", "--osv", str(archive(tmp_path))])
    before = (data_home / "aibom" / "osv.sqlite").read_bytes()
    broken = archive(tmp_path).read_bytes()
    (tmp_path / "broken.zip").write_bytes(broken[:40] + b"\xff" * 30 + broken[70:])
    for place in ("broken.zip", "missing.zip"):
        assert 3 == main(["data", "update", "--osv", str(tmp_path / place)])
    assert "error: " in capsys.readouterr().err
    assert [data_home / "aibom" / "osv.sqlite"] == list((data_home / "aibom").iterdir())
    assert before == (data_home / "aibom" / "osv.sqlite").read_bytes()


def test_a_broken_snapshot_ends_the_scan(model: Path, data_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A snapshot that can't be read is an error: to go on without would look like a target without advisories."""
    (data_home / "aibom").mkdir()
    (data_home / "aibom" / "osv.sqlite").write_bytes(b"x" * 5000)
    assert 3 == main(["scan", str(model)])
    assert "aibom data update --osv FILE" in capsys.readouterr().err


@contextmanager
def mirror(content: bytes, *, ranges: bool = True) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            assert asked
            first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
            body = content[first : last + 1] if ranges else content
            self.send_response(206 if ranges else 200)
            self.send_header("Content-Length", str(len(body)))
            if ranges:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/all.zip"
    finally:
        server.shutdown()
        server.server_close()


def test_a_snapshot_comes_from_an_address(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An archive at an address the user names is fetched; what the server gets wrong is an error with the next step."""
    with mirror(archive(tmp_path).read_bytes()) as url:
        assert 0 == main(["data", "update", "--osv", url])
    assert "2026-11-01" in capsys.readouterr().err
    with mirror(b"x", ranges=False) as url:
        assert 3 == main(["data", "update", "--osv", url])
    assert "download the file elsewhere" in capsys.readouterr().err


def test_an_archive_too_large_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download is bounded by the size that the server states."""
    monkeypatch.setattr("aibom.cli.data._MOST_BYTES", 10)
    with mirror(archive(tmp_path).read_bytes()) as url:
        assert 3 == main(["data", "update", "--osv", url])
    assert "more than 10" in capsys.readouterr().err


@pytest.mark.parametrize("origin", ["online", "https://mirror.example/all.zip"])
def test_offline_asks_nobody(origin: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --offline nothing is fetched, and the error says why."""
    assert 2 == main(["data", "update", "--osv", origin, "--offline"])
    assert "needs the network" in capsys.readouterr().err

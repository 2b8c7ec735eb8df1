"""Every output of every repository under `fixtures/` before judges that share no code with us.

One process judges all documents. check-jsonschema needs minutes for all of them, so it sees the smaller ones, unless
AIBOM_ALL_JUDGES is set; the same official schemas see all of them through a faster validator.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.xml import XmlValidator
from fixtures import demo
from fixtures.hostile import HOSTILE
from tests.emitters.reports import fine_tune_report, hostile_report, many_files_report, minimal_report

from aibom.documents import load
from aibom.emitters import EmitOptions, emit
from aibom.emitters.options import SpecVersion
from aibom.pipeline import scan
from aibom.report import Report
from aibom.score import profiles, score
from aibom.settings import Identity, Settings
from aibom.sources.local import open_local

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures"
SCHEMAS = ROOT / "tests" / "schemas"
PACKAGES = Path(os.environ.get("AIBOM_JS", ROOT / "build" / "js"))
CDXGEN = PACKAGES / "node_modules" / "@cyclonedx" / "cdxgen"
SCRIPTS = Path(__file__).parent / "js"
DAY = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
SMALL = 60_000  # bytes; about a second each for check-jsonschema
VERSIONS: tuple[SpecVersion, ...] = ("1.6", "1.7")

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not CDXGEN.is_dir(),
    reason="node, or what tests/e2e/js/install.sh installs, is missing",
)


def scanned(target: Path, identity: Identity | None = None) -> Report:
    source = open_local(str(target))
    try:
        return scan(source, Settings(as_of=DAY.date(), jobs=1, identity=identity or Identity()), created=DAY)
    finally:
        source.close()


def repositories(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent in (FIXTURES / "repos", FIXTURES / "real"):
        yield from ((f"{parent.name}-{path.name}", path) for path in sorted(parent.iterdir()) if path.is_dir())
    demo.main(folder)
    yield from ((f"demo-{name}", folder / name) for name in ("benign", "malicious"))
    hostile = folder / "hostile"
    for number, case in enumerate(case for cases in HOSTILE.values() for case in cases[:3]):
        for name, data in case.files().items():
            path = hostile / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    yield "hostile", hostile


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every document of every repository."""
    folder = tmp_path_factory.mktemp("judged")
    reports = {name: scanned(path) for name, path in repositories(tmp_path_factory.mktemp("targets"))}
    reports |= {
        "made-minimal": minimal_report(),
        "made-fine-tune": fine_tune_report(),
        "made-hostile": hostile_report(),
    }
    reports["made-many-files"] = many_files_report(200)
    for name, report in reports.items():
        for version in VERSIONS:
            options = EmitOptions(spec_version=version)
            for output, suffix in (("cyclonedx", "cdx.json"), ("cyclonedx-xml", "cdx.xml"), ("vex", "vex.json")):
                (folder / f"{name}-{version}.{suffix}").write_text(emit(report, output, options), "utf-8")
        (folder / f"{name}.spdx.json").write_text(emit(report, "spdx"), "utf-8")
        (folder / f"{name}.sarif").write_text(emit(report, "sarif"), "utf-8")
    return folder


def found(folder: Path, *patterns: str) -> list[Path]:
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    # Every folder of fixtures, the demonstration, the hostile cases, and four made reports.
    assert len(paths) >= 30 * len(patterns)
    return paths


def node(script: str, *arguments: object) -> list[dict[str, Any]]:
    run = subprocess.run(
        ["node", SCRIPTS / script, *map(str, arguments)],
        env={**os.environ, "AIBOM_JS": str(PACKAGES)},
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def versioned(path: Path) -> str:
    return f"{'1.6' if '-1.6.' in path.name else '1.7'}={path}"


# --- CycloneDX --------------------------------------------------------------------------------------------------------


@needs_node
def test_the_javascript_library_accepts_every_document(folder: Path) -> None:
    """BOMs in both versions and VEX are valid for ajv with the library's own schemas and formats."""
    paths = found(folder, "*.cdx.json", "*-1.7.vex.json")
    verdicts = node("validate.mjs", *map(versioned, paths))
    assert len(paths) == len(verdicts)
    assert [] == [verdict for verdict in verdicts if verdict["errors"] is not None]


@needs_node
def test_cdx_validate_accepts_every_document(folder: Path) -> None:
    """Schema, purls, references, metadata and properties pass the checks of cdxgen."""
    paths = found(folder, "*.cdx.json")
    verdicts = node("judge.mjs", *paths)
    assert len(paths) == len(verdicts)
    assert [] == [verdict for verdict in verdicts if not (verdict["schema"] and verdict["deep"])]


@needs_node
def test_the_javascript_judges_are_awake(folder: Path, tmp_path: Path) -> None:
    """A wrong severity, and a package URL that is none, are refused."""
    document = json.loads((folder / "made-fine-tune-1.7.cdx.json").read_text("utf-8"))
    component = {**document["components"][0], "bom-ref": "x", "purl": "pkg:nonsense"}
    (loose := tmp_path / "loose.json").write_text(json.dumps({**document, "components": [component]}))
    document["vulnerabilities"][0]["ratings"][0]["severity"] = "catastrophic"
    (wrong := tmp_path / "wrong.json").write_text(json.dumps(document))
    assert node("validate.mjs", f"1.7={wrong}")[0]["errors"]
    verdicts = node("judge.mjs", wrong, loose)
    assert [False, False] == [verdicts[0]["schema"], verdicts[1]["deep"]]


def official(version: str) -> Path:
    import cyclonedx.schema  # noqa: PLC0415 -- only for its folder

    return Path(cyclonedx.schema.__file__).parent / "_res" / f"bom-{version}.SNAPSHOT.schema.json"


def check_jsonschema(schema: Path, paths: list[Path], *, base: bool = False) -> subprocess.CompletedProcess[str]:
    where = ["--base-uri", f"{schema.parent.as_uri()}/"] if base else []
    command = [sys.executable, "-m", "check_jsonschema", *where, "--schemafile", str(schema), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)


def some(paths: list[Path]) -> list[Path]:
    """Return all documents if asked, else the smaller ones, four at most."""
    if os.environ.get("AIBOM_ALL_JUDGES"):
        return paths
    return [path for path in paths if path.stat().st_size < SMALL][:4]


@pytest.mark.parametrize("version", VERSIONS)
def test_check_jsonschema_accepts_cyclonedx(version: str, folder: Path) -> None:
    """The official schemas, resolved from the files beside them, by the schema tool of Python."""
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    done = check_jsonschema(official(version), some(found(folder, f"*-{version}.cdx.json")), base=True)
    assert 0 == done.returncode, done.stdout[:3000]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_xml_of_every_repository_is_valid(version: str, folder: Path) -> None:
    """The official XSD accepts it."""
    validator = XmlValidator(SchemaVersion.from_version(version))
    for path in found(folder, f"*-{version}.cdx.xml"):
        assert [] == list(validator.validate_str(path.read_text("utf-8"), all_errors=True) or ()), path.name


@pytest.mark.parametrize("version", VERSIONS)
def test_json_and_xml_of_every_repository_score_alike(version: str, folder: Path) -> None:
    """The number belongs to what is said: whoever wrote it, in whichever spelling, whenever it is read."""
    for path in found(folder, f"*-{version}.cdx.json"):
        one, other = load(path.read_bytes()), load(path.with_suffix(".xml").read_bytes())
        assert [score(one, name) for name in profiles()] == [score(other, name) for name in profiles()], path.name


# --- SPDX -------------------------------------------------------------------------------------------------------------


@needs_node
def test_the_schema_of_spdx_accepts_every_document(folder: Path) -> None:
    """The JSON schema of SPDX 3.0.1, for all of them and, by check-jsonschema, for some."""
    schema = CDXGEN / "data" / "spdx-export.schema.json"
    validator = jsonschema_rs.validator_for(json.loads(schema.read_text("utf-8")))
    for path in found(folder, "*.spdx.json"):
        assert validator.is_valid(json.loads(path.read_text("utf-8"))), path.name
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    done = check_jsonschema(schema, some(found(folder, "*.spdx.json")))
    assert 0 == done.returncode, done.stdout[:3000]


def spdx3_validate(paths: list[Path]) -> list[str]:
    """Return what spdx3-validate finds in the graph of all documents, without a request: context and shapes are files.

    Each document names its elements by its own content, so that one graph holds them all; a graph takes about as long
    as a single document.
    """
    core = pytest.importorskip("spdx3_validate.core", reason="spdx3-validate is not installed")
    rdflib = pytest.importorskip("rdflib")
    context = json.loads((SCHEMAS / "spdx-context.jsonld").read_text("utf-8"))["@context"]
    shapes = rdflib.Graph().parse(SCHEMAS / "spdx-model.ttl", format="turtle")
    version = core.find_version("https://spdx.org/rdf/3.0.1/spdx-context.jsonld")
    graph = rdflib.Graph()
    for number, path in enumerate(paths):
        # Blank nodes keep their names across documents.
        document = json.loads(path.read_text("utf-8").replace('"_:', f'"_:d{number}'))
        assert core.find_version(document["@context"]) is version
        graph.parse(data=json.dumps({**document, "@context": context}), format="json-ld")
    errors: list[str] = core.check_graph(graph, shapes, version, error_external=True)
    return errors


def test_spdx3_validate_accepts_every_document(folder: Path) -> None:
    """The SHACL shapes of SPDX 3.0.1 hold in the graph of all documents together."""
    assert [] == [error[:1000] for error in spdx3_validate(found(folder, "*.spdx.json"))]


def test_spdx3_validate_is_awake(folder: Path, tmp_path: Path) -> None:
    """A hash without a value is refused."""
    document = json.loads((folder / "made-minimal.spdx.json").read_text("utf-8"))
    file = next(element for element in document["@graph"] if element["type"] == "software_File")
    del file["verifiedUsing"][0]["hashValue"]
    (path := tmp_path / "wrong.spdx.json").write_text(json.dumps(document))
    assert "hashValue" in "".join(spdx3_validate([path]))


def ntia(path: Path, compliance: str) -> Any:
    checker = pytest.importorskip("ntia_conformance_checker", reason="ntia-conformance-checker is not installed")
    return checker.SbomChecker(str(path), validate=False, compliance=compliance, sbom_spec="spdx3")


@pytest.mark.parametrize("compliance", ["ntia", "fsct3-min", "bsi"])
def test_the_ntia_checker_finds_what_every_scan_knows(compliance: str, folder: Path) -> None:
    """Author, time, names and relations are in every document, and the checker can read all of it."""
    for path in found(folder, "*.spdx.json"):
        checked = ntia(path, compliance)
        assert (True, True, True) == (checked.doc_author, checked.doc_timestamp, checked.dependency_relationships)
        assert ([], False) == (checked.components_without_names, checked.has_unknown_pointers), path.name


def test_the_ntia_checker_is_content_where_the_publisher_says_all(tmp_path: Path) -> None:
    """With author, supplier and version stated, and nothing outside the folder, no element is missing."""
    (tmp_path / "model").mkdir()
    shutil.copy(FIXTURES / "real" / "transformers" / "tiny-bert" / "model.safetensors", tmp_path / "model")
    identity = Identity(name="m", version="1.0", supplier="ACME", author="sbom@acme.example")
    path = tmp_path / "m.spdx.json"
    path.write_text(emit(scanned(tmp_path / "model", identity), "spdx"))
    assert ntia(path, "ntia").compliant
    path.write_text(emit(scanned(tmp_path / "model"), "spdx"))
    assert not ntia(path, "ntia").compliant


# --- SARIF ------------------------------------------------------------------------------------------------------------


def test_the_schema_of_sarif_accepts_every_log(folder: Path) -> None:
    """The OASIS schema, for all of them and, by check-jsonschema, for some."""
    schema = SCHEMAS / "sarif-schema-2.1.0.json"
    validator = jsonschema_rs.validator_for(json.loads(schema.read_text("utf-8")))
    for path in found(folder, "*.sarif"):
        assert validator.is_valid(json.loads(path.read_text("utf-8"))), path.name
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    done = check_jsonschema(schema, some(found(folder, "*.sarif")))
    assert 0 == done.returncode, done.stdout[:3000]

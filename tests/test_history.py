from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from tests.emitters.reports import fine_tune_report, hostile_report, minimal_report

from aibom.compare import Aspect
from aibom.components import Inspection, LicenseClaim
from aibom.errors import DataError, OutputError, UsageError
from aibom.files import Coverage, Digest, Format, RepoFile, Role
from aibom.findings import Evidence
from aibom.history import History, default_url
from aibom.report import Report

WEEK = dt.timedelta(days=7)


def relicensed(report: Report) -> Report:
    """The same model a week later under another licence."""
    root = report.resolution.component(report.resolution.root)
    claim = LicenseClaim(raw="mit", basis="declared", expression="MIT", evidence=Evidence(statement="README.md"))
    components = tuple(
        replace(item, licenses=(claim,)) if item is root else item for item in report.resolution.components
    )
    return replace(report, created=report.created + WEEK, resolution=replace(report.resolution, components=components))


def initdb() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1] if found else None


def _as_nobody(*command: object) -> list[str]:
    # PostgreSQL refuses to run as root.
    words = [str(word) for word in command]
    return ["runuser", "-u", "nobody", "--", *words] if os.geteuid() == 0 else words


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A cluster of its own on a socket of its own, thrown away afterwards."""
    pytest.importorskip("psycopg", reason="the extra aibom[postgres] is not installed")
    program = initdb()
    if program is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and runuser is not installed")
    # Not below pytest's own folder, which other users can't enter; and socket paths have to be short.
    folder = Path(tempfile.mkdtemp(prefix="aibom-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
        data = folder / "data"
        subprocess.run(
            _as_nobody(program, "-D", data, "-U", "aibom", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale", "C"),
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
        server = subprocess.Popen(
            _as_nobody(program.with_name("postgres"), "-D", data, *options.split()),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        try:
            url = f"postgresql://aibom@/postgres?host={folder}"
            _wait(url, server)
            yield url
        finally:
            pid = int((data / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, 2)  # SIGINT: fast shutdown
            server.wait(120)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    import psycopg  # noqa: PLC0415 -- the extra may be missing

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:  # no socket yet, or "the database system is starting up"
            time.sleep(0.05)
        else:
            return
    raise AssertionError("PostgreSQL did not start")


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "data" / "inventory.sqlite")
        return
    url: str = request.getfixturevalue("postgres")
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    yield url


def test_a_licence_that_changed_is_told(where: str) -> None:
    """The second scan is compared with the first; the database gives back what `add` returned."""
    with History(where) as history:
        first = history.add(fine_tune_report())
        assert first.changes is None
        second = history.add(relicensed(fine_tune_report()))
    assert second.changes is not None
    assert Aspect.LICENSES in {change.aspect for change in second.changes.changes}
    with History(where) as history:
        assert [second] == history.models()
        assert [second, first] == history.scans(second.model)
        assert [second] == history.changes()
        assert [second] == history.changes(since=second.created)
        assert [] == history.changes(since=second.created + WEEK)


def test_an_unchanged_model_changes_nothing(where: str) -> None:
    """The same model scanned a week later is a scan without changes."""
    with History(where) as history:
        history.add(fine_tune_report())
        again = history.add(replace(fine_tune_report(), created=fine_tune_report().created + WEEK))
        assert again.changes is not None
        assert () == again.changes.changes
        assert [] == history.changes()
        assert 2 == len(history.scans(again.model))


def test_models_are_kept_apart(where: str) -> None:
    """Package URLs without versions tell models apart; a name given goes first."""
    with History(where) as history:
        one = history.add(fine_tune_report())
        other = history.add(minimal_report())
        named = history.add(fine_tune_report(), name="ours")
        assert sorted([one.model, other.model, "ours"]) == [scan.model for scan in history.models()]
        assert named.changes is None
        assert "@" not in one.model
    assert one.model.startswith("pkg:huggingface/")


def reweighted(report: Report, name: str, *digests: str) -> Report:
    """The same model under another name with these weight files."""
    file = RepoFile(path="w", size=1, format=Format.SAFETENSORS, role=Role.WEIGHTS)
    inspected = tuple(Inspection(file=replace(file, path=digest), coverage=Coverage.COMPLETE) for digest in digests)
    root = report.resolution.component(report.resolution.root)
    components = tuple(
        replace(item, name=name, purl=None) if item is root else item for item in report.resolution.components
    )
    return replace(
        report,
        inspections=inspected,
        digests={digest: (Digest(algorithm="sha256", value=digest),) for digest in digests},
        resolution=replace(report.resolution, components=components),
    )


def test_the_same_weights_under_another_name_are_told(where: str) -> None:
    """Of all models of the inventory those that share weight files by content, the most in common first."""
    with History(where) as history:
        for name, digests in {"a": "123", "b": "1", "c": "4", "d": "12"}.items():
            history.add(reweighted(minimal_report(), name, *digests), name=name)
        assert [("d", 2), ("b", 1)] == [(scan.model, count) for scan, count in history.same_weights("a")]
        assert [] == history.same_weights("c")


def test_hostile_texts_are_kept(where: str) -> None:
    """Names and messages that no database or terminal expects go in and come out."""
    with History(where) as history:
        added = history.add(hostile_report())
        (found,) = history.models()
        assert added.overview.rules == found.overview.rules
        assert added.model == found.model
        assert [added.created] == [scan.created for scan in history.scans(added.model)]


def test_what_is_scanned_next_time(where: str) -> None:
    """A model of the hub is watched where it is published, not at the commit of its last scan."""
    with History(where) as history:
        report = fine_tune_report()
        pinned = replace(report, source=replace(report.source, kind="hub", identity="acme/chat"))
        assert "hf://acme/chat" == history.add(pinned).target
        assert "/models/chat" == history.add(report, name="x", target="/models/chat").target
        assert "/elsewhere" == history.add(report, name="x", target="/elsewhere").target
        assert ["/elsewhere", "/elsewhere"] == [scan.target for scan in history.scans("x")]


def test_scans_side_by_side_are_all_kept(where: str) -> None:
    """Several writers of one new model give one model with all its scans."""
    History(where).__exit__()
    faults: list[BaseException] = []

    def write() -> None:
        try:
            with History(where) as history:
                history.add(minimal_report(), name="shared")
        except BaseException as fault:  # noqa: BLE001 -- told below
            faults.append(fault)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == faults
    with History(where) as history:
        assert 1 == len(history.models())
        assert 6 == len(history.scans("shared"))


def test_an_unknown_model_is_told(where: str) -> None:
    """The message names it."""
    with History(where) as history, pytest.raises(DataError, match="no model nobody"):
        history.scans("nobody")


def test_another_layout_is_refused(where: str) -> None:
    """A database of a newer version is not written to."""
    with History(where) as history, history._engine.begin() as connection:
        connection.execute(sa.text("UPDATE aibom_layout SET version = 99"))
    with pytest.raises(DataError, match="layout 99"):
        History(where)


def test_damage_is_told(where: str) -> None:
    """What can't be read back is an error with a name, not a traceback."""
    with History(where) as history:
        history.add(minimal_report(), name="x")
        with history._engine.begin() as connection:
            connection.execute(sa.text("UPDATE aibom_scans SET overview = '[]', document = ''"))
        with pytest.raises(DataError, match="can't be read"):
            history.models()
        with pytest.raises(DataError, match="can't be read"):
            history.add(minimal_report(), name="x")


@pytest.mark.parametrize("url", ["nosuch://x", "://x", "oracle://x/y"])
def test_urls_that_mean_nothing(url: str) -> None:
    """A scheme without a driver, or a URL that is none, is wrong usage."""
    with pytest.raises(UsageError):
        History(url)


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    """The message has the place, and no secret."""
    pytest.importorskip("psycopg", reason="the extra aibom[postgres] is not installed")
    with pytest.raises(OutputError, match="can't be used") as caught:
        History(f"postgresql://me:secret@/x?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    """It is left as it was."""
    (tmp_path / "file").write_bytes(b"not a database" * 100)
    with pytest.raises(OutputError, match="not a database"):
        History(str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == b"not a database" * 100
    with pytest.raises(OutputError, match="can't be made"):
        History(str(tmp_path / "file" / "x.sqlite"))


def test_where_the_inventory_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable decides, else the user's data folder."""
    monkeypatch.delenv("AIBOM_INVENTORY", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert str(tmp_path / "aibom" / "inventory.sqlite") == default_url()
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/me")
    assert "/home/me/.local/share/aibom/inventory.sqlite" == default_url()
    monkeypatch.setenv("AIBOM_INVENTORY", "postgresql://db/x")
    assert "postgresql://db/x" == default_url()


def test_no_database_library_is_loaded_by_a_scan() -> None:
    """Who never uses the inventory does not wait for it."""
    code = (
        "import aibom.cli.scan, aibom.cli.fleet, sys; print('sqlalchemy' in sys.modules, 'distributed' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "False False\n" == out

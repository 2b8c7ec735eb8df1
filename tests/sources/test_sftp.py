"""Files behind SSH, from a real SFTP server on loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures.weights import safetensors_bytes

from aibom.cli import main
from aibom.errors import TargetError
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.sources.network import Network
from aibom.sources.object_store import StoreSource

pytest.importorskip("paramiko", reason="paramiko is not installed")
asyncssh: Any = pytest.importorskip("asyncssh", reason="asyncssh is not installed")

WEIGHTS = safetensors_bytes({"a": ("F32", (50_000,))})


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, str]]:
    """The port of a server that serves a model to one password, and its line for known_hosts."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    served = tmp_path / "served" / "chat"
    (served / "sub").mkdir(parents=True)
    (served / "model.safetensors").write_bytes(WEIGHTS)
    (served / "sub" / "config.json").write_bytes(b"{}")

    connections: list[Any] = []

    class Door(asyncssh.SSHServer):  # type: ignore[misc]  # it is loaded by name
        def connection_made(self, conn: Any) -> None:
            connections.append(conn)

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == ("user", "secret")

    def rooted(channel: Any) -> Any:
        return asyncssh.SFTPServer(channel, chroot=str(tmp_path / "served").encode())

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def opened() -> Any:
        return await asyncssh.create_server(Door, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=rooted)

    listener = asyncio.run_coroutine_threadsafe(opened(), loop).result(20)
    port = listener.get_port()
    yield port, f"[127.0.0.1]:{port} {key.export_public_key().decode().strip()}\n"

    async def closed() -> None:
        listener.close()
        for connection in connections:
            connection.abort()
        # What still waits for a client is told to end, while there is a loop that it can end in.
        mine = asyncio.current_task()
        waiting = [task for task in asyncio.all_tasks() if task is not mine]
        for task in waiting:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)

    try:
        asyncio.run_coroutine_threadsafe(closed(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
    assert not thread.is_alive()
    loop.close()


def know(line: str) -> None:
    (Path.home() / ".ssh" / "known_hosts").write_text(line)


def test_a_folder_behind_ssh_is_a_target(server: tuple[int, str]) -> None:
    """Its files are read by ranges; the target's name holds no password."""
    port, line = server
    know(line)
    source = StoreSource(f"sftp://user:secret@127.0.0.1:{port}/chat", Network())
    assert f"sftp://127.0.0.1:{port}/chat" == source.target
    found = take_inventory(source, Limits())
    assert {"model.safetensors": len(WEIGHTS), "sub/config.json": 2} == {file.path: file.size for file in found.files}
    with source.open("model.safetensors") as data:
        assert WEIGHTS[100_000:100_100] == data.read_at(100_000, 100)
    source.close()


def test_a_server_that_nobody_knows_is_refused(server: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a first key nor a changed one is taken on trust."""
    port, line = server
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    for known in ("", f"[127.0.0.1]:{port} {other}\n", line.replace(f":{port}", ":1")):
        know(known)
        assert 3 == main(["scan", f"sftp://user:secret@127.0.0.1:{port}/chat"])
        err = capsys.readouterr().err
        assert "not in known_hosts" in err
        assert "secret" not in err


def test_what_ssh_refuses_is_one_line(server: tuple[int, str]) -> None:
    """A wrong password and a closed port are errors that name the host, not the password."""
    port, line = server
    know(line)
    for place in (f"user:wrong@127.0.0.1:{port}", "user:wrong@127.0.0.1:9"):
        with pytest.raises(TargetError, match=r"127\.0\.0\.1:\d+ can't be reached") as caught:
            StoreSource(f"sftp://{place}/chat", Network())
        assert "wrong" not in str(caught.value)

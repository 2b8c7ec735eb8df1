"""A model hub on loopback for tests: the endpoints that the real client and our source ask, and ways to misbehave."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "a" * 40
DATE = "2026-01-01T00:00:00.000Z"
_LFS = (".safetensors", ".bin", ".pt", ".gguf", ".onnx")


@dataclass
class HubRepo:
    """One model: its files, and what the hub says of it. `sizes` declares other sizes than the files have."""

    files: dict[str, bytes]
    info: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    declared: dict[str, bytes] = field(default_factory=dict)
    """Content whose digests are listed, where it is not what is served."""
    denied: tuple[int, str] | None = None
    """Status and error code of every answer, such as (403, "GatedRepo")."""
    renamed_to: str | None = None


@dataclass
class Behaviour:
    """How the hub misbehaves; all off by default. Seconds and bytes."""

    page: int = 1000
    endless_pages: bool = False
    next_page_host: str | None = None
    failures: int = 0
    failure_status: int = 503
    failure_headers: dict[str, str] = field(default_factory=dict)
    ignore_ranges: bool = False
    wrong_content_range: bool = False
    changing_etag: bool = False
    cut_after: int | None = None
    delay: float = 0.0
    redirect_to: str | None = None
    garbage: bool = False
    body: bytes | None = None
    """Instead of every answer of the API, whatever was asked."""
    body_headers: dict[str, str] = field(default_factory=dict)
    header_pause: float = 0.0
    """Seconds before each of twenty lines of an answer's head."""
    body_pause: float = 0.0
    """Seconds before each hundredth of a file."""


@dataclass
class Hub:
    """A running hub: its address, what it serves, and what it was asked."""

    url: str
    repos: dict[str, HubRepo]
    behaviour: Behaviour
    moved: dict[str, str] = field(default_factory=dict)
    """Old names of models to new ones, which are answered with a redirect as the hub does."""
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    bytes_sent: int = 0

    def file_requests(self) -> int:
        return sum("/resolve/" in path for _, path, _ in self.requests)


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _listing_entry(repo: HubRepo, path: str) -> dict[str, Any]:
    data = repo.declared.get(path, repo.files[path])
    size = repo.sizes.get(path, len(data))
    if path.endswith(_LFS):
        sha256 = hashlib.sha256(data).hexdigest()
        lfs = {"oid": sha256, "size": size, "pointerSize": 130}
        return {"type": "file", "oid": git_id(sha256.encode()), "size": size, "path": path, "lfs": lfs}
    return {"type": "file", "oid": git_id(data), "size": size, "path": path}


@contextmanager
def running_hub(repos: dict[str, HubRepo], behaviour: Behaviour | None = None) -> Iterator[Hub]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    hub = Hub("", repos, behaviour or Behaviour())

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            body = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
            match = re.fullmatch(r"/api/models/(.+)/paths-info/[^/]+", unquote(urlsplit(self.path).path))
            repo = hub.repos.get(match[1]) if match else None
            if repo is None:
                self.refuse(404, "RepoNotFound")
            else:
                self.send_json([_listing_entry(repo, path) for path in body.get("paths", []) if path in repo.files])

        def answer(self) -> None:
            hub.requests.append((self.command, self.path, dict(self.headers)))
            time.sleep(hub.behaviour.delay)
            if hub.behaviour.failures > 0:
                hub.behaviour.failures -= 1
                self.refuse(hub.behaviour.failure_status, "", hub.behaviour.failure_headers)
                return
            parts = urlsplit(self.path)
            path = unquote(parts.path)
            if hub.behaviour.body is not None and path.startswith("/api/"):
                self.send_body(hub.behaviour.body, hub.behaviour.body_headers)
                return
            for old, new in hub.moved.items():
                if path.startswith((f"/{old}/", f"/api/models/{old}")):
                    self.send_redirect(self.path.replace(old, new, 1))
                    return
            if match := re.fullmatch(r"/([^/]+(?:/[^/]+)?)/resolve/([^/]+)/(.+)", path):
                self.send_file(match[1], match[3])
            elif match := re.fullmatch(r"/api/models/([^/]+(?:/[^/]+)?)/tree/([^/]+)/?", path):
                self.send_tree(match[1], parse_qs(parts.query))
            elif path == "/api/models":
                self.send_models(parse_qs(parts.query))
            elif match := re.fullmatch(r"/api/models/([^/]+(?:/[^/]+)?)(?:/revision/(.+))?", path):
                self.send_info(match[1], match[2])
            else:
                self.refuse(404, "RepoNotFound")

        def found(self, name: str) -> HubRepo | None:
            repo = hub.repos.get(name)
            if repo is None:
                self.refuse(404, "RepoNotFound")
            elif repo.denied is not None:
                self.refuse(*repo.denied)
            else:
                return repo
            return None

        def send_info(self, name: str, revision: str | None) -> None:
            if hub.behaviour.garbage:
                self.send_body(b"<html>", {"Content-Type": "text/html"})
                return
            if (repo := self.found(name)) is None:
                return
            if revision not in {None, "main", COMMIT}:
                self.refuse(404, "RevisionNotFound")
                return
            siblings = [{"rfilename": path} for path in repo.files]
            info = {"_id": "1", "id": repo.renamed_to or name, "sha": COMMIT, "private": False, "gated": False,
                    "disabled": False, "downloads": 3, "likes": 1, "tags": [], "createdAt": DATE,
                    "lastModified": DATE, "siblings": siblings}  # fmt: skip
            self.send_json({**info, **repo.info})

        def send_models(self, query: dict[str, list[str]]) -> None:
            owner = query.get("author", [""])[0]
            names = [name for name in hub.repos if name.startswith(f"{owner}/")]
            start = int(query.get("cursor", ["0"])[0])
            page = names[start % max(1, len(names)) :][: hub.behaviour.page]
            headers = {}
            if start + len(page) < len(names) or hub.behaviour.endless_pages:
                host = hub.behaviour.next_page_host or hub.url
                cursor = start + len(page)
                headers["Link"] = f'<{host}/api/models?author={owner}&cursor={cursor}>; rel="next"'
            self.send_json([{"_id": "1", "id": name, "modelId": name} for name in page], headers)

        def send_tree(self, name: str, query: dict[str, list[str]]) -> None:
            if (repo := self.found(name)) is None:
                return
            start = int(query.get("cursor", ["0"])[0])
            paths = list(repo.files)
            page = paths[start % max(1, len(paths)) :][: hub.behaviour.page]
            headers = {}
            if start + len(page) < len(paths) or hub.behaviour.endless_pages:
                host = hub.behaviour.next_page_host or hub.url
                cursor = start + len(page)
                headers["Link"] = f'<{host}/api/models/{name}/tree/{COMMIT}?recursive=true&cursor={cursor}>; rel="next"'
            self.send_json([_listing_entry(repo, path) for path in page], headers)

        def send_file(self, name: str, path: str) -> None:
            if (repo := self.found(name)) is None:
                return
            if path not in repo.files:
                self.refuse(404, "EntryNotFound")
                return
            if hub.behaviour.redirect_to:
                self.send_redirect(hub.behaviour.redirect_to)
                return
            data = repo.files[path]
            total = len(data)
            lfs = path.endswith(_LFS)
            etag = hashlib.sha256(data).hexdigest() if lfs else git_id(data)
            if hub.behaviour.changing_etag:
                etag += str(len(hub.requests))
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            if lfs:
                headers |= {"X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Linked-Size": str(total)}
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            status = 200
            if asked and self.command == "GET" and not hub.behaviour.ignore_ranges:
                first, last = int(asked[1]), min(int(asked[2] or total - 1), total - 1)
                shown = first + 1 if hub.behaviour.wrong_content_range else first
                headers["Content-Range"] = f"bytes {shown}-{last}/{total}"
                data, status = data[first : last + 1], 206
            self.send_body(data, headers, status)

        def send_redirect(self, place: str) -> None:
            self.send_response(307)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def send_json(self, value: object, headers: Mapping[str, str] | None = None) -> None:
            self.send_body(json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

        def refuse(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
            self.send_body(b"{}", {"X-Error-Code": code, "X-Error-Message": code, **(headers or {})}, status)

        def send_body(self, body: bytes, headers: Mapping[str, str], status: int = 200) -> None:
            self.send_response(status)
            for number in range(20 if hub.behaviour.header_pause else 0):
                time.sleep(hub.behaviour.header_pause)
                self.send_header(f"X-Slow-{number}", "x")
                self.flush_headers()
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            cut = hub.behaviour.cut_after
            if cut is not None and "ETag" in headers and len(body) > cut:
                hub.behaviour.cut_after = None
                self.wfile.write(body[:cut])
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
                return
            hub.bytes_sent += len(body)
            if hub.behaviour.body_pause and "ETag" in headers:
                step = max(1, len(body) // 100)
                for start in range(0, len(body), step):
                    time.sleep(hub.behaviour.body_pause)
                    self.wfile.write(body[start : start + step])
                return
            self.wfile.write(body)

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """A connection that a test cuts is no error."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()

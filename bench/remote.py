"""How many bytes a scan moves of large repositories on a hub, and how long it takes at 50 ms a request.

The server is on loopback and makes its files up: only headers are real, tensor data are zeros that nobody stores.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fixtures.weights import gguf_bytes

from bench.measure import AIBOM, Group

GIB = 1024**3
COMMIT = "b" * 40
DELAY = 0.05


@dataclass
class Virtual:
    """A file of `size` bytes: `head`, zeros, `tail`; `islands` are real bytes in between."""

    size: int
    head: bytes = b""
    tail: bytes = b""
    islands: list[tuple[int, bytes]] = field(default_factory=list)

    def read(self, offset: int, length: int) -> bytes:
        data = bytearray(length)
        parts = [(0, self.head), (self.size - len(self.tail), self.tail), *self.islands]
        for start, part in parts:
            first, last = max(start, offset), min(start + len(part), offset + length)
            if first < last:
                data[first - offset : last - offset] = part[first - start : last - start]
        return bytes(data)


def safetensors(size: int) -> Virtual:
    each = size // 300 // 2048 * 2048
    entries = {}
    for n in range(300):
        place = {"shape": [each // 2048, 1024], "data_offsets": [n * each, (n + 1) * each]}
        entries[f"model.layers.{n}.weight"] = {"dtype": "BF16", **place}
    header = json.dumps(entries).encode()
    head = struct.pack("<Q", len(header)) + header
    return Virtual(len(head) + 300 * each, head)


def torch_zip(size: int) -> Virtual:
    """A torch zip whose 500 storages are stored entries of zeros: the directory is made with empty ones and moved."""
    each = size // 500 // 4096 * 4096
    parts = [b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01("]
    for number in range(500):
        name, key = b"layer.%d.weight" % number, b"%d" % number
        parts.append(b"X" + struct.pack("<I", len(name)) + name)
        parts.append(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n")
        parts.append(b"X" + struct.pack("<I", len(key)) + key + b"X\x03\x00\x00\x00cpuJ" + struct.pack("<i", each // 4))
        parts.append(b"tQK\x00J" + struct.pack("<i", each // 4) + b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR")
    pickle = b"".join([*parts, b"u."])
    islands: list[tuple[int, bytes]] = []
    directory = bytearray()
    at = 0
    for name, length, content in [("archive/data.pkl", len(pickle), pickle), ("archive/version", 2, b"3\n"),
                                  *((f"archive/data/{n}", each, b"") for n in range(500))]:  # fmt: skip
        raw = name.encode()
        crc = 0 if not content else zipfile.crc32(content)  # type: ignore[attr-defined]
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 33, crc, length, length, len(raw), 0)
        islands.append((at, b"PK\x03\x04" + fields + raw + content))
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, at) + raw
        at += 30 + len(raw) + length
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 502, 502, len(directory), at, 0)
    tail = bytes(directory) + end
    return Virtual(at + len(tail), islands[0][1], tail, islands[1:])


def gguf(size: int) -> Virtual:
    vocabulary = [f"token-{number:06}-{'x' * 24}" for number in range(152_000)]
    head = gguf_bytes({"a": ("F32", (1,))}, {"general.architecture": "llama", "tokenizer.ggml.tokens": vocabulary})
    del size
    # The one tensor of the header is patched to the size of the file by its shape.
    return Virtual(4 * GIB, head)


def onnx(size: int) -> Virtual:
    """A graph of 300 initialisers with inline raw data: each tells where the next one begins."""

    def varint(number: int) -> bytes:
        out = bytearray()
        while number > 127:
            out.append(number & 127 | 128)
            number >>= 7
        return bytes([*out, number])

    def field_(number: int, length: int) -> bytes:
        return varint(number << 3 | 2) + varint(length)

    each = size // 300 // 4 * 4
    islands = []
    sizes = []
    heads = []
    for number in range(300):
        name = b"weight_%d" % number
        inner = b"\x08" + varint(each // 4) + b"\x10\x01" + field_(8, len(name)) + name + field_(9, each)
        heads.append(inner)
        sizes.append(len(inner) + each)
    graph = sum(len(field_(5, length)) + length for length in sizes)
    head = b"\x08\x08" + field_(7, graph)
    at = len(head)
    for inner, length in zip(heads, sizes, strict=True):
        start = field_(5, length) + inner
        islands.append((at, start))
        at += len(start) + each
    return Virtual(at, head, b"", islands)


@dataclass
class Server:
    url: str
    files: dict[str, Virtual]
    sent: int = 0
    requests: int = 0


@contextmanager
def serving(files: dict[str, Virtual], delay: float = DELAY) -> Iterator[Server]:
    state = Server("", files)
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            time.sleep(delay)
            path = unquote(urlsplit(self.path).path)
            with lock:
                state.requests += 1
            if "/tree/" in path:
                listing = [{"type": "file", "path": name, "size": file.size, "oid": "0" * 40,
                            "lfs": {"oid": "1" * 64, "size": file.size, "pointerSize": 130}}
                           for name, file in state.files.items()]  # fmt: skip
                self.answer(200, {}, [json.dumps(listing).encode()])
            elif "/resolve/" in path:
                file = state.files[path.split(f"/resolve/{COMMIT}/")[1]]
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                first, last = (
                    (int(asked[1]), min(int(asked[2] or file.size - 1), file.size - 1)) if asked else (0, file.size - 1)
                )
                headers = {"ETag": '"x"', "X-Repo-Commit": COMMIT, "X-Linked-Size": str(file.size)}
                if asked:
                    headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
                step = 1024 * 1024
                pieces = (file.read(at, min(step, last + 1 - at)) for at in range(first, last + 1, step))
                self.answer(206 if asked else 200, headers, pieces, last + 1 - first)
            else:
                names = [{"rfilename": name} for name in state.files]
                info = {"id": "acme/big", "sha": COMMIT, "gated": False, "siblings": names}
                self.answer(200, {}, [json.dumps(info).encode()])

        def answer(
            self, status: int, headers: dict[str, str], pieces: Iterable[bytes], length: int | None = None
        ) -> None:
            if length is None:
                pieces = list(pieces)
                length = sum(map(len, pieces))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            try:
                for piece in pieces:  # type: ignore[attr-defined]
                    self.wfile.write(piece)
                    with lock:
                        state.sent += len(piece)
            except OSError:
                pass  # the scan had read enough

        def handle(self) -> None:
            with suppress(ConnectionError):
                super().handle()

    class Loopback(http.server.ThreadingHTTPServer):
        # A scan asks for many windows at once: a short queue would make the kernel drop its connections.
        request_queue_size = 128

    server = Loopback(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()


def scan(server: Server) -> float:
    environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN_PATH": os.devnull}
    started = time.perf_counter()
    result = subprocess.run([AIBOM, "scan", "hf://acme/big", "-o", "json", "-q", "--fail-on", "never"],
                            env=environment, capture_output=True, check=False)  # fmt: skip
    if result.returncode != 0:
        raise SystemExit(result.stderr.decode())
    return time.perf_counter() - started


def snapshot(server: Server) -> float:
    """Download with the hub's own client, as somebody does who scans afterwards."""
    switches = {"HF_ENDPOINT": server.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN_PATH": os.devnull}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        code = f"import huggingface_hub as h; h.snapshot_download('acme/big', cache_dir={folder!r})"
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **switches})
        return time.perf_counter() - started


def download(url: str) -> float:
    """Fetch a file whole and throw it away, in a process of its own as a scan is."""
    code = (
        "from huggingface_hub.utils import httpx\n"
        f"with httpx.stream('GET', {url!r}, timeout=60) as answer:\n"
        "    for _ in answer.iter_raw(): pass"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def run() -> list[Group]:
    """Measure each repository against what it holds and, for ONNX, against downloading it."""
    group = Group("remote: bytes moved, loopback hub with 50 ms a request")
    cases = {
        "4 safetensors shards of 1 GiB": {f"model-{n:05}-of-00004.safetensors": safetensors(GIB) for n in range(1, 5)},
        "torch zip of 2 GiB, 502 entries": {"pytorch_model.bin": torch_zip(2 * GIB - 512_000_000 // 250)},
        "GGUF of 4 GiB, header of 7 MB": {"model.gguf": gguf(4 * GIB)},
        "ONNX of 1.2 GB, inline weights": {"model.onnx": onnx(1_200_000_000)},
    }
    for case, files in cases.items():
        with serving(files) as server:
            seconds = scan(server)
            total = sum(file.size for file in files.values())
            note = f"{server.sent:,} of {total:,} bytes = {server.sent / total:.4%}, {server.requests} requests"
            base = None
            if "ONNX" in case:
                base = download(f"{server.url}/acme/big/resolve/{COMMIT}/model.onnx")
                group.add(case, "GET by the hub client's HTTP library, thrown away (the limit)", base)
                whole = snapshot(server)
                group.add(case, "huggingface_hub snapshot_download", whole, base=base, note="not yet scanned")
            group.add(case, "aibom scan hf://", seconds, base=base, note=note)
    return [group]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    for item in run():
        for row in item.rows:
            print(row.case, row.subject, f"{row.seconds:.2f}", row.note)

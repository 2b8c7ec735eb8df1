"""A model on a hub: listed at one full commit, read by ranges.

The metadata endpoints are asked through `Network` rather than through `HfApi`: answers are bounded, redirects are
checked, and `--offline` holds. Token and header rules are huggingface_hub's own. Shapes: docs/remote.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from msgspec import Struct

from aibom.components import Scalar
from aibom.errors import FileFault, TargetError, UsageError
from aibom.files import Digest, escape_name, unescape_name
from aibom.report import Skipped, SourceFacts
from aibom.sources.answers import NetworkError
from aibom.sources.bytesource import ByteSource
from aibom.sources.http_file import HttpFile
from aibom.sources.hub_signals import owner_and_talk
from aibom.sources.network import Network, quiet_dependencies
from aibom.sources.protocol import Entry, Fault
from aibom.sources.ranges import RangeSource, ReadBudget, RemoteLimits

DEFAULT_ENDPOINT = "https://huggingface.co"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"(?:(?P<owner>[\w.-]{1,96})/)?(?P<name>[\w.-]{1,96})")
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="next"')
ANSWER_BYTES = 32 * 1024 * 1024
# First looks at files are asked for side by side: they do not depend on each other.
_PARALLEL = 8
_PRELOADED_FILES = 512


class HubName(Struct, frozen=True):
    """A model's name on a hub, and the revision asked for (a branch, a tag, a commit), None for the default one."""

    identity: str
    revision: str | None = None


def parse_hub_target(target: str) -> HubName:
    """Read `hf://owner/name[@revision]` or `pkg:huggingface/owner/name@commit`.

    Raises:
        UsageError: it is neither.
    """
    hint = "hf://owner/name, hf://owner/name@revision or pkg:huggingface/owner/name@COMMIT"
    if target.startswith("pkg:"):
        from packageurl import PackageURL  # noqa: PLC0415

        try:
            purl = PackageURL.from_string(target)
        except ValueError as fault:
            raise UsageError(f"{target} is not a package URL: {fault}", hint=hint) from fault
        if purl.type != "huggingface":
            raise UsageError(f"pkg:{purl.type} is not a kind of target", hint=hint)
        identity, revision = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name, purl.version
    else:
        identity, _, revision = target.removeprefix("hf://").partition("@")
    if not is_hub_name(identity):
        raise UsageError(f"{target} does not name a model on a hub", hint=hint)
    if revision and (len(revision) > 200 or ".." in revision):
        raise UsageError(f"{revision} is not a revision", hint=hint)
    return HubName(identity, revision or None)


class HubSource:
    """One revision of a model on a hub. Nothing is downloaded that no reader asks for."""

    remote = True

    def __init__(
        self, name: HubName, network: Network, *, limits: RemoteLimits | None = None, preload: bool = True
    ) -> None:
        self._network = network
        self._limits = limits or RemoteLimits()
        self._endpoint = os.environ.get("HF_ENDPOINT", DEFAULT_ENDPOINT).rstrip("/")
        network.trust(self._endpoint)
        self._headers = hub_headers()
        self._budget = ReadBudget(self._limits.scan_bytes)
        self._info = self._model_info(name)
        self.identity: str = self._info["id"]
        self.revision: str | None = self._info["sha"]
        self.target = f"hf://{self.identity}@{self.revision}"
        self._sizes: dict[str, int] = {}
        self._open: dict[str, RangeSource] = {}
        self._opening = Lock()
        self._pool = ThreadPoolExecutor(_PARALLEL) if preload else None
        self._talk: Future[dict[str, Scalar]] | None = None

    def facts(self) -> SourceFacts:
        """Return what the hub says of the model; all of it is the hub's claim."""
        info = self._info
        claims: dict[str, Scalar] = {}
        for key in ("downloads", "downloadsAllTime", "likes", "private", "disabled", "library_name", "pipeline_tag"):
            if isinstance(value := info.get(key), str | int | bool):
                claims[key] = value
        self._ask_of_owner()
        if self._talk is not None:
            claims.update(self._talk.result())
        match info.get("securityRepoStatus"):
            case {"scansDone": bool(done), "filesWithIssues": [*issues]}:
                claims["security-scans-done"] = done
                claims["security-files-with-issues"] = len(issues)
        return SourceFacts(
            kind="hub",
            identity=self.identity if "/" in self.identity else None,
            revision=self.revision,
            gated=_gated(info.get("gated")),
            created=_text(info.get("createdAt")),
            modified=_text(info.get("lastModified")),
            url=f"{self._endpoint}/{self.identity}",
            claims=claims,
        )

    def entries(self) -> Iterator[Entry | Skipped]:
        """List the files at the commit, with the digests that the hub declares."""
        self._ask_of_owner()
        found = list(self._tree())
        self._sizes = {entry.path: entry.size for entry in found if entry.fault is None}
        if self._pool is not None:
            for path in [path for path, size in self._sizes.items() if size][:_PRELOADED_FILES]:
                self._pool.submit(self._preload, path)
        yield from found
        if len(found) >= self._limits.files:
            yield Skipped(path="", reason=f"everything after the first {self._limits.files} files of the listing")

    def _ask_of_owner(self) -> None:
        # Beside the listing, for nothing waits for it; and of the target itself only: what a base model is asked for is
        # its license and lineage.
        if self._pool is not None and self._talk is None:
            self._talk = self._pool.submit(owner_and_talk, self._network, self._endpoint, self.identity, self._headers)

    def open(self, path: str) -> ByteSource:
        """Open a file of the listing; what was read of it stays with this source."""
        size = self._sizes.get(path)
        if size is None:
            raise FileNotFoundError(2, "no such file in the listing", path)
        # Who reads ahead opens files too: each is one source, with one budget, whoever comes first.
        with self._opening:
            if path not in self._open:
                name = quote(unescape_name(path))
                url = f"{self._endpoint}/{self.identity}/resolve/{self.revision}/{name}"
                remote = HttpFile(self._network, url, size, self._headers)
                self._open[path] = self._limits.open(remote, size, self._budget)
            return self._open[path]

    def close(self) -> None:
        """Close connections."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._network.close()

    @property
    def moved(self) -> int:
        """How many bytes of files were moved so far."""
        return self._budget.moved

    def _preload(self, path: str) -> None:
        source = self.open(path)
        assert isinstance(source, RangeSource)
        # The reader will meet the same fault and report it.
        with suppress(OSError, FileFault):
            source.preload()

    def _model_info(self, name: HubName) -> Mapping[str, Any]:
        url = f"{self._endpoint}/api/models/{name.identity}"
        if name.revision:
            url += f"/revision/{quote(name.revision, safe='')}"
        try:
            info, _ = self._network.get_json(f"{url}?securityStatus=true", self._headers, limit=ANSWER_BYTES)
        except NetworkError as fault:
            raise _target_error(name, fault) from fault
        match info:
            case {"id": str(identity), "sha": str(sha)} if is_hub_name(identity) and _COMMIT.fullmatch(sha):
                return dict(info)
        raise TargetError(f"{name.identity}: the hub's answer names no model and no full commit")

    def _tree(self) -> Iterator[Entry]:
        url: str | None = f"{self._endpoint}/api/models/{self.identity}/tree/{self.revision}?recursive=true"
        names: set[str] = set()
        while url is not None:
            try:
                page, headers = self._network.get_json(url, self._headers, limit=ANSWER_BYTES)
            except NetworkError as fault:
                raise _target_error(HubName(self.identity, self.revision), fault) from fault
            if not isinstance(page, list):
                raise TargetError(f"{self.identity}: the hub's listing is not a list")
            known = len(names)
            for item in page:
                if len(names) >= self._limits.files:
                    return
                if (entry := _entry(item)) is not None and entry.path not in names:
                    names.add(entry.path)
                    yield entry
            url = next_page(self._endpoint, url, headers, self.identity)
            if url is not None and len(names) == known:
                raise TargetError(f"{self.identity}: the hub's listing goes on without a new name")


def next_page(endpoint: str, url: str, headers: Mapping[str, str], subject: str) -> str | None:
    """Return where a listing goes on, None at its end; it stays on the hub that was asked.

    Raises:
        TargetError: it goes on somewhere else.
    """
    match = _NEXT.search(headers.get("link", ""))
    if match is None:
        return None
    following: str = urljoin(url, match[1])
    if urlsplit(following)[:2] != urlsplit(endpoint)[:2]:
        raise TargetError(f"{subject}: the hub's listing goes on at another host")
    return following


def is_hub_name(identity: str) -> bool:
    """Say whether a text can be the name of a model, with or without its owner."""
    return _NAME.fullmatch(identity) is not None and ".." not in identity


def _entry(item: Any) -> Entry | None:
    match item:
        case {"type": "directory"}:
            return None
        case {"type": "file", "path": str(path), "size": int(size), "oid": oid} if size >= 0:
            name = escape_name(path.encode("utf-8", "surrogatepass"))
            if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
                return Entry(path=name, size=0, fault=Fault.UNSAFE_NAME, detail="it climbs out of the repository")
            return Entry(path=name, size=size, declared_digests=_declared(oid, item.get("lfs")))
    raise TargetError("the hub's listing holds something that is no file")


def _declared(git_id: object, lfs: object) -> tuple[Digest, ...]:
    source = "hub listing"
    match lfs:
        case {"oid": str(oid)} if _SHA256.fullmatch(oid):
            # The git id of an LFS file is that of its pointer and says nothing of the content.
            return (Digest(algorithm="sha256", value=oid, basis="declared", source=source),)
    match git_id:
        case str() if _COMMIT.fullmatch(git_id):
            return (Digest(algorithm="git-sha1", value=git_id, basis="declared", source=source),)
    return ()


def hub_headers() -> dict[str, str]:
    """Return the headers of the hub's own client, with the user's token where there is one."""
    quiet_dependencies()
    from huggingface_hub.utils._headers import build_hf_headers  # noqa: PLC0415 -- 0.2 s, only hub targets need it

    from aibom._version import __version__  # noqa: PLC0415

    headers: dict[str, str] = build_hf_headers(library_name="aibom", library_version=__version__)
    return {**headers, "accept-encoding": "identity"}


def _target_error(name: HubName, fault: NetworkError) -> TargetError:
    if fault.status in {401, 403}:
        gated = fault.code == "GatedRepo"
        why = "is gated: its owner must grant access" if gated else "does not exist, or is private"
        return TargetError(f"{name.identity} {why}", hint="log in with `hf auth login`, or set HF_TOKEN")
    if fault.status == 404:
        if fault.code == "RevisionNotFound" or (name.revision and fault.code != "RepoNotFound"):
            return TargetError(
                f"{name.identity} has no revision {name.revision}", hint=f"aibom scan hf://{name.identity}@main"
            )
        return TargetError(f"{name.identity} does not exist on the hub", hint="check the spelling of owner/name")
    return TargetError(f"{name.identity}: {fault}", hint="try again later, or scan a local copy")


def _gated(value: object) -> str | None:
    match value:
        case bool():
            return "auto" if value else "false"
        case str():
            return value
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

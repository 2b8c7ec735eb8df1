"""Read what people write where a model's id belongs: hub ids, URLs, cache paths, local paths."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,95}"
_HUB_ID = re.compile(rf"(?P<group>{_PART})/(?P<name>{_PART})(?:@(?P<revision>[\w./\-]{{1,100}}))?")
_HUB_URL = re.compile(
    rf"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<kind>datasets/|spaces/)?(?P<group>{_PART})/(?P<name>{_PART})"
    r"(?:/(?:tree|resolve|blob)/(?P<revision>[\w.\-]+))?(?:[/?#].*)?"
)
_CACHE_PATH = re.compile(
    rf"(?:^|[/\\])(?:models|datasets)--(?P<group>{_PART}?)--(?P<name>{_PART}?)(?:[/\\]snapshots[/\\](?P<revision>[0-9a-f]{{40}}))?"
    r"(?:[/\\].*)?$"
)
_LEGACY_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{1,60}")
# First parts of relative paths that look like `owner/name` and are folders of the author's machine.
_FOLDERS = frozenset({
    "output", "outputs", "model", "models", "checkpoint", "checkpoints", "ckpt", "ckpts", "result", "results", "run",
    "runs", "tmp", "temp", "weights", "saved_models", "pretrained", "pretrained_models", "train", "training", "data",
    "dataset", "datasets", "content", "workspace", "home", "root", "mnt", "logs", "exp", "experiments", "cache",
    "lora", "merged", "src",
})  # fmt: skip
_STEP = re.compile(r"(?:checkpoint|step|epoch|global_step)[-_]?\d+$")
_COMMIT = re.compile(r"[0-9a-f]{40}$")
_DRIVE = re.compile(r"^[A-Za-z]:[\\/]")
_ABSOLUTE = re.compile(r"(?:/[\w.\-]+/|~/|[A-Za-z]:[\\/]|\\\\)[^<>|\x00-\x1f]*$")
_SAFE_URL = re.compile(r"https?://[^\s@\"'<>\\]{1,500}$")

Kind = Literal["hub", "url", "local", "name"]


class ModelName(Struct, frozen=True, kw_only=True):
    """What a model or dataset is called: on the hub (`group` and `name`), at a URL, by a bare or a local name.

    A local path is cut to its last part: directories of the author's machine are nobody's business.
    """

    kind: Kind
    name: str
    group: str | None = None
    revision: str | None = None
    url: str | None = None

    @property
    def id(self) -> str:
        """`owner/name`, or the name alone."""
        return f"{self.group}/{self.name}" if self.group else self.name

    @property
    def key(self) -> str:
        """What tells two names apart; the hub finds repositories whatever their capitals."""
        return f"{self.kind}:{self.id.lower()}"

    @property
    def commit(self) -> str | None:
        """The revision if it is a full commit, which alone pins what was used."""
        return self.revision.lower() if self.revision and _COMMIT.match(self.revision.lower()) else None

    @property
    def shown(self) -> str:
        """How a message names it."""
        return f"a local path ending in {self.name!r}" if self.kind == "local" else self.id


def parse_name(raw: str) -> ModelName | None:
    """Read a model's or dataset's name; None where nothing in it names one."""
    text = raw.strip().strip("\"'").rstrip("/")
    if not text or len(text) > 1000 or "\n" in text:
        return None
    if match := _CACHE_PATH.search(text):
        return _hub(match)
    if match := _HUB_URL.fullmatch(text):
        return _hub(match)
    if text.startswith(("http://", "https://")):
        name = text.split("?")[0].split("#")[0].rstrip("/").rpartition("/")[2][:96]
        return ModelName(kind="url", name=name, url=text) if _SAFE_URL.match(text) and name else None
    if _is_path(text):
        name = re.split(r"[\\/]", text)[-1]
        return ModelName(kind="local", name=name[:96]) if name not in {"", ".", "..", "~"} else None
    if match := _HUB_ID.fullmatch(text.removeprefix("hf://").removeprefix("hf.co/")):
        return _hub(match)
    return ModelName(kind="name", name=text) if _LEGACY_NAME.fullmatch(text) else None


def without_folders(text: str) -> str:
    """Cut a value that is an absolute path of somebody's machine to its last part; leave everything else."""
    if not _ABSOLUTE.match(text) or len(text) > 1000 or "\n" in text or text.startswith("//"):
        return text
    last = re.split(r"[\\/]", text.rstrip("/\\"))[-1]
    return f"…/{last}" if last and last != text else text


def _hub(match: re.Match[str]) -> ModelName:
    return ModelName(kind="hub", group=match["group"], name=match["name"], revision=match["revision"])


def _is_path(text: str) -> bool:
    if text.startswith(("/", ".", "~", "\\", "$")) or _DRIVE.match(text) or "\\" in text or text.count("/") > 1:
        return not text.startswith("hf://")
    first, slash, last = text.partition("/")
    return bool(slash) and (first.lower() in _FOLDERS or bool(_STEP.match(last)))


def purl_of(name: ModelName) -> str | None:
    """Return `pkg:huggingface/owner/name`, with the commit where one is known; only for models on the hub."""
    from packageurl import PackageURL  # noqa: PLC0415 -- start-up time

    if name.kind != "hub":
        return None
    return PackageURL(type="huggingface", namespace=name.group, name=name.name, version=name.commit).to_string()

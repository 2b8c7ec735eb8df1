"""Look for what must not be published by accident: credentials, internal addresses, home directories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from aibom.components import Inspection
from aibom.containers import CONTAINERS
from aibom.containers.protocol import Budget
from aibom.data.secret_patterns import Leak
from aibom.errors import FileFault
from aibom.files import Format, RepoFile, Role
from aibom.findings import Finding, Rule, Severity, Subject
from aibom.formats import recognize, role_of
from aibom.limits import MIB, Limits
from aibom.resolvers.leaks import Match, find_leaks, windows
from aibom.resolvers.leaks_second_opinion import is_installed, second_opinion
from aibom.sources.bytesource import ByteSource
from aibom.sources.protocol import Source

SECRET_FOUND = Rule(
    id="secret-found",
    subject=Subject.PUBLISHING,
    severity=Severity.HIGH,
    summary="A credential stands in a file",
    explanation=(
        "The file holds what has the shape of an access token, a private key or a password. Whoever gets the "
        "repository can use it, and a copy stays in the history after the line is gone. The value is never shown; "
        "line and length tell which it is."
    ),
    help="Revoke the credential where it was issued, then remove it from the file and from the history.",
    references=("https://cwe.mitre.org/data/definitions/798.html",),
    cwes=(798, 540),
)
INTERNAL_URL = Rule(
    id="internal-url",
    subject=Subject.PUBLISHING,
    severity=Severity.MEDIUM,
    summary="An address inside a private network stands in a file",
    explanation=(
        "The file names a host or an address that means something only inside the network it was written in. It tells "
        "a stranger how that network is built, and it works for nobody else."
    ),
    help="Replace the address with a public one or with a placeholder.",
    cwes=(200,),
)
LOCAL_PATH = Rule(
    id="local-path",
    subject=Subject.PUBLISHING,
    severity=Severity.LOW,
    summary="The home directory of a person stands in a file",
    explanation=(
        "The file holds an absolute path of the machine that it was made on, with the name of a user. Training tools "
        "leave such paths in configurations and checkpoints; elsewhere they lead nowhere, and they name a person."
    ),
    help="Replace the path with a relative one, or with the name under which the thing is published.",
    cwes=(200,),
)
PUBLISH_CHECK_INCOMPLETE = Rule(
    id="publish-check-incomplete",
    subject=Subject.PUBLISHING,
    severity=Severity.MEDIUM,
    summary="A text was not searched to its end before publishing",
    explanation=(
        "The check before publishing could not read the whole file, or the texts of the target are larger than its "
        "limits. A credential may stand in what was not read."
    ),
    help="Look at the rest of the file yourself, or leave it out of what you publish.",
)

_RULES = {
    Leak.TOKEN: SECRET_FOUND,
    Leak.ASSIGNED: SECRET_FOUND,
    Leak.INTERNAL: INTERNAL_URL,
    Leak.PATH: LOCAL_PATH,
}
_ALL = frozenset(Leak)
_CREDENTIALS = frozenset({Leak.TOKEN, Leak.ASSIGNED})
_SHAPES = frozenset({Leak.TOKEN})
# Rows of a data set speak of passwords and hosts without giving one away, and a vocabulary is made of parts of both.
_NO_GUESSES = frozenset({Format.CSV, Format.JSONL})
_VOCABULARIES = ("tokenizer.json", "vocab", "merges.txt", "added_tokens.json")
_TEXTS = frozenset({
    Format.TEXT, Format.MARKDOWN, Format.HTML, Format.XML, Format.JSON, Format.JSONL, Format.YAML, Format.TOML,
    Format.CSV, Format.PYTHON, Format.SHELL, Format.DOCKERFILE, Format.NOTEBOOK, Format.CHAT_TEMPLATE,
    Format.SAFETENSORS_INDEX, Format.PYTORCH_INDEX, Format.PEFT_CONFIG, Format.MERGEKIT_CONFIG, Format.SHA256SUMS,
    Format.TRANSFORMERS_CONFIG, Format.TOKENIZER_CONFIG, Format.OCI_MANIFEST, Format.OLLAMA_MANIFEST, Format.KITFILE,
    Format.MLFLOW, Format.KERAS_CONFIG, Format.COREML_MANIFEST, Format.TRITON_CONFIG, Format.SPACY, Format.OPENVINO,
    Format.PMML, Format.XGBOOST_JSON, Format.LIGHTGBM_TEXT,
})  # fmt: skip
_NO_TEXT = frozenset({Format.IMAGE, Format.AUDIO, Format.VIDEO, Format.FONT, Format.EMPTY, Format.LFS_POINTER,
                      Format.PARQUET, Format.ARROW})  # fmt: skip
# Pickled arguments, metadata of weights and logs of training begin with what names people and machines.
_RAW_BYTES = MIB
_TEXT_FILES = 16  # times `limits.json_bytes`: what the texts of one target may cost together


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishCheck:
    """What a check found. `secrets` are the credentials themselves: for `redacted`, and for no output."""

    findings: tuple[Finding, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


def check_before_publishing(source: Source, inspections: Sequence[Inspection], limits: Limits) -> PublishCheck:
    """Return what the files of a target would give away.

    Texts are searched whole, also those in archives; of every other file the first MiB is. Values are masked.
    """
    search = _Search(limits)
    findings = tuple(search.findings(source, (item.file for item in inspections if not item.file.members)))
    return PublishCheck(findings=findings, secrets=frozenset(search.secrets))


class _Search:
    """One check: what it may still read, and what it has."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = _TEXT_FILES * limits.json_bytes
        self._budget = Budget.of(limits)
        self._second = is_installed()
        self.secrets: set[str] = set()

    def findings(self, source: Source, files: Iterable[RepoFile]) -> Iterator[Finding]:
        for file in files:
            try:
                with source.open(file.path) as data:
                    yield from self._file(file, data)
            except OSError as fault:
                # What can't be read at all has its finding already, from the inventory.
                if file.format in _TEXTS:
                    yield _incomplete(file, fault.strerror or str(fault))

    def _file(self, file: RepoFile, data: ByteSource) -> Iterator[Finding]:
        if file.format in _NO_TEXT:
            return
        if file.format in CONTAINERS:
            yield from self._container(file, data)
            return
        yield from self._search(file, data)

    def _container(self, file: RepoFile, data: ByteSource) -> Iterator[Finding]:
        if len(file.members) >= self._limits.container_depth:
            yield _incomplete(file, f"nested more than {self._limits.container_depth} containers deep")
            return
        try:
            for member in CONTAINERS[file.format](file, data, self._limits, self._budget).members():
                with member.open() as inner:
                    head = inner.read_at(0, self._limits.sniff_bytes)
                    found = recognize(member.name, head, inner.size, inner)
                    yield from self._file(
                        RepoFile(
                            path=file.path,
                            members=(*file.members, member.name),
                            size=inner.size,
                            format=found,
                            role=role_of(member.name, found),
                        ),
                        inner,
                    )
        except FileFault as fault:
            yield _incomplete(file, str(fault))

    def _search(self, file: RepoFile, data: ByteSource) -> Iterator[Finding]:
        is_text = file.format in _TEXTS
        limit = min(self._limits.json_bytes if is_text else _RAW_BYTES, self._left)
        self._left -= min(limit, data.size)
        found: dict[str, Match] = {}  # by value: the first of the table's shapes that fits says most
        for window in windows(data, limit, raw=not is_text):
            for match in find_leaks(window, file.name.lower(), _leaks(file)):
                found.setdefault(match.value, match)
            if self._second and is_text and file.role is not Role.TOKENIZER:
                for match in second_opinion(window):
                    if not any(match.value in known.value or known.value in match.value for known in found.values()):
                        found[match.value] = match
            if len(found) > self._limits.findings_per_file:
                yield _incomplete(file, f"more than {self._limits.findings_per_file} findings; the rest is left out")
                break
        self.secrets.update(match.value for match in found.values() if match.leak in _CREDENTIALS)
        yield from _findings(file, list(found.values())[: self._limits.findings_per_file], lines=is_text)
        if is_text and data.size > limit:
            yield _incomplete(file, f"only the first {limit} of {data.size} bytes were searched")


def _leaks(file: RepoFile) -> frozenset[Leak]:
    if file.format in _NO_GUESSES:
        return _SHAPES
    if file.role is Role.TOKENIZER and file.name.lower().startswith(_VOCABULARIES):
        return _SHAPES
    return _ALL if file.format in _TEXTS else _ALL - {Leak.ASSIGNED}


def _findings(file: RepoFile, matches: list[Match], *, lines: bool) -> Iterator[Finding]:
    for match in matches:
        text = f"{match.what}: {match.masked}"
        location = file.at(line=match.line) if lines else file.at()
        severity = None if match.certain else Severity.MEDIUM
        yield Finding.of(_RULES[match.leak], text, location, severity=severity)


def _incomplete(file: RepoFile, reason: str) -> Finding:
    return Finding.of(PUBLISH_CHECK_INCOMPLETE, reason, file.at())


RULES = (SECRET_FOUND, INTERNAL_URL, LOCAL_PATH, PUBLISH_CHECK_INCOMPLETE)

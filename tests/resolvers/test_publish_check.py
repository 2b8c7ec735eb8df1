"""What must not be published is found, what only looks like it is not. Every credential here is made up by a seed."""

from __future__ import annotations

import base64
import io
import json
import random
import string
import sys
import time
import types
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import MemoryRepo, memory_repo

from aibom.components import Inspection
from aibom.data import secret_patterns as table
from aibom.data.secret_patterns import Leak, secret_patterns
from aibom.data.tables import Row
from aibom.errors import DataError
from aibom.files import Coverage
from aibom.findings import Finding, Severity
from aibom.inventory import take_inventory
from aibom.limits import Limits
from aibom.resolvers import leaks_second_opinion, publish_check
from aibom.resolvers.leaks import Window, find_leaks, windows
from aibom.resolvers.publish_check import PublishCheck, check_before_publishing
from aibom.resolvers.redaction import redacted
from aibom.sources.bytesource import MemorySource

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
seeded = random.Random(8)  # noqa: S311 -- the same made-up values in every run


def made(length: int, alphabet: str = ALNUM) -> str:
    """Random text that is no example: no run that the table of placeholders knows."""
    while True:
        text = "".join(seeded.choice(alphabet) for _ in range(length))
        if not any(word in text.lower() for word in ("abcdef", "123456", "00000", "11111", "98765")):
            return text


PEM = "-----BEGIN {}PRIVATE KEY-----\n{}\n"
SAMPLES = {
    "huggingface": "hf_" + made(34, string.ascii_letters),
    "huggingface-organization": "api_org_" + made(34),
    "github": "ghp_" + made(36),
    "github-fine-grained": "github_pat_" + made(82),
    "gitlab": "glpat-" + made(20),
    "aws": "AKIA" + made(16, string.ascii_uppercase + "234567"),
    "openai": "sk-proj-" + made(58) + "T3BlbkFJ" + made(58),
    "anthropic": "sk-ant-api03-" + made(93) + "AA",
    "openrouter": "sk-or-v1-" + made(64, HEX),
    "secret-key": "sk-" + made(48),
    "groq": "gsk_" + made(52),
    "replicate": "r8_" + made(37),
    "google": "AIza" + made(35),
    "slack": "xoxb-" + made(12, string.digits) + "-" + made(24),
    "slack-webhook": "https://hooks.slack.com/services/T" + made(8) + "/B" + made(8) + "/" + made(24),
    "discord-webhook": "https://discord.com/api/webhooks/" + made(18, string.digits) + "/" + made(68),
    "telegram": made(10, string.digits) + ":AA" + made(33),
    "stripe": "sk_live_" + made(24),
    "npm": "npm_" + made(36),
    "python-index": "pypi-AgEIcHlwaS5vcmc" + made(80),
    "databricks": "dapi" + made(32, HEX),
    "sendgrid": "SG." + made(22) + "." + made(43),
    "digitalocean": "dop_v1_" + made(64, HEX),
    "azure-storage": "AccountName=store;AccountKey=" + made(86) + "==;",
    "wandb": "wandb.login(key='" + made(40, HEX) + "')",
    "jwt": "eyJ" + made(30) + ".eyJ" + made(60) + "." + made(43),
    "private-key": PEM.format("RSA ", made(64)),
    "url-password": "https://ci:" + made(12) + "@git.acme.com/models.git",
    "bearer": "Authorization: Bearer " + made(32),
    "netrc": "machine hub.acme.com login ci password " + made(12),
    "environment": "export SERVICE_TOKEN=" + made(20),
    "assigned-password": 'password = "' + made(12) + '1"',
    "assigned-key": '"client_secret": "' + made(31) + '7"',
    "private-address": "http://10.20.30.40:8000/v1",
    "private-address-port": 'master_addr="192.168.7.9:29500"',
    "internal-host": "https://mlflow.ml.acme.corp/runs/1",
    "home": "saved to /home/jdoe/runs/7b",
    "home-end": 'cwd="/home/jdoe"',
    "windows-home": r"C:\Users\jdoe\models",
}
FILES = {"netrc": ".netrc", "environment": ".env"}


def check(files: dict[str, bytes | str], limits: Limits | None = None) -> PublishCheck:
    source = memory_repo(files)
    return check_source(source, limits or Limits())


def check_source(source: MemoryRepo, limits: Limits) -> PublishCheck:
    inventory = take_inventory(source, limits)
    return check_before_publishing(
        source, [Inspection(file=file, coverage=Coverage.NONE) for file in inventory.files], limits
    )


def rules(result: PublishCheck) -> list[str]:
    return [finding.rule.id for finding in result.findings]


@pytest.mark.parametrize("name", [pattern.id for pattern in secret_patterns()])
def test_each_shape_is_found_on_its_line_and_shown_masked(name: str) -> None:
    """Every row of the table finds its sample in a text, and nothing of the value is shown but what all have."""
    pattern = next(item for item in secret_patterns() if item.id == name)
    result = check({FILES.get(name, "notes.txt"): f"First line.\n\nIt is\n{SAMPLES[name]}\nand more.\n"})
    whats = [finding.message.partition(":")[0] for finding in result.findings]
    assert pattern.what in whats
    finding = result.findings[whats.index(pattern.what)]
    assert finding.location is not None
    # The value of a private key stands on the line below its header.
    assert (5 if name == "private-key" else 4) == finding.location.line
    match = pattern.expression.search(SAMPLES[name])
    assert match is not None
    shown = " ".join(finding.message for finding in result.findings)
    assert match["v"] not in shown
    if pattern.leak in {Leak.TOKEN, Leak.ASSIGNED}:
        assert match["v"][-6:] not in shown
        assert match["v"] in result.secrets
    else:
        assert not result.secrets


def test_severity_says_how_sure_it_is() -> None:
    """A token is high, a value that only a name gives away and an internal address are medium, a path is low."""
    names = ("github", "assigned-password", "internal-host", "home")
    found = {name: check({"a.txt": SAMPLES[name]}).findings[0].severity for name in names}
    expected = (Severity.HIGH, Severity.MEDIUM, Severity.MEDIUM, Severity.LOW)
    assert dict(zip(names, expected, strict=True)) == found


INNOCENT: dict[str, bytes | str] = {
    "README.md": "\n".join([
        "Use your token: `hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` or `export HF_TOKEN=hf_...`, `hf_YOUR_TOKEN_HERE`",
        'client = OpenAI(base_url="http://localhost:8000/v1", api_key="EMPTY")',
        'client = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="token-abc123")',
        'login(token="<your token>"), api_key=os.environ["OPENAI_API_KEY"], password="${PASSWORD}"',
        "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sha256:" + made(64, HEX) + " md5 " + made(32, HEX) + " commit " + made(40, HEX),
        "postgres://postgres:postgres@localhost:5432/db https://user:pass@example.com redis://:${PW}@redis:6379",
        "/home/user/app /home/jovyan/work /Users/username/models C:\\Users\\Public\\x ~/models /home/<you>/x",
        "see https://example.com/home/jane/page.html and https://github.com/orgs/Users/list/1",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQ",
        "http://metadata.google.internal/ http://host.docker.internal:11434 http://169.254.169.254/latest",
        "torch 10.2.89.1 version 192.168.0 and the number 10.0.0.1",
        "write to jane.doe@acme.example",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    ]),
    "config.json": json.dumps({
        "eos_token": "<|endoftext|>", "bos_token_id": 1, "tokenizer_class": "LlamaTokenizerFast", "model_type": "llama",
        "_name_or_path": "acme/base", "token_type_embeddings": True, "max_new_tokens": 131072,
        "secret_key": "not_a_key_but_a_name", "password": "string",
    }),
    ".env.sample": "HF_TOKEN=hf_your_token_here\nMAX_TOKENS=131072\nTOKENIZER_PATH=org/model-name1\n"
                   "TOKEN_URL=https://acme.com/t1\nAPI_KEY=\nDEBUG=true\n",
    "train.py": 'parser.add_argument("--hub_token", type=str, help="The token to use to push to the Model Hub.")\n'
                'key = "-----BEGIN RSA PRIVATE KEY-----"\npassword = getpass.getpass("password: ")\n',
    "data.jsonl": json.dumps({"text": 'My password = "correct-horse-7" and it runs on http://printer.local/'}) + "\n",
    "vocab.txt": "\n".join(["/home/", "/Users/bob/", "password", made(40), *(made(12) for _ in range(2000))]),
    "merges.txt": "#version: 0.2\n" + "\n".join(f"{made(4)} {made(5)}" for _ in range(2000)),
    "tokenizer.json": json.dumps({"model": {"vocab": {made(16): number for number in range(3000)}}}),
    "weights.bin": bytes(seeded.randrange(256) for _ in range(200_000)),
    "plot.ipynb": json.dumps({
        "cells": [{"cell_type": "code", "source": ["plt.show()"], "outputs": [{"data": {
            "image/png": base64.b64encode(bytes(seeded.randrange(256) for _ in range(150_000))).decode(),
        }}]}], "nbformat": 4, "nbformat_minor": 5, "metadata": {},
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", INNOCENT)
def test_examples_digests_pictures_and_vocabularies_are_silent(name: str) -> None:
    """What only looks like a credential is no finding."""
    assert () == check({name: INNOCENT[name]}).findings


def test_notebooks_are_searched_with_their_outputs() -> None:
    """A token in a cell's source, a path in what it printed."""
    cell = {
        "cell_type": "code",
        "source": [f'login("{SAMPLES["huggingface"]}")'],
        "outputs": [{"output_type": "stream", "text": ["saved to /Users/jdoe/out/1\n"]}],
    }
    notebook = json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}, indent=1)
    assert ["secret-found", "local-path"] == rules(check({"train.ipynb": notebook}))


def test_a_private_key_in_json_is_found() -> None:
    """A service account keeps its key on one line, with the line ends spelled out."""
    key = json.dumps({"type": "service_account", "private_key": PEM.format("", made(64))})
    assert ["secret-found"] == rules(check({"sa.json": key}))


def test_bytes_and_archives_are_searched() -> None:
    """Arguments that a trainer pickled, and a file in an archive, give away as much as a text does."""
    pickled = b"\x80\x02}q\x00(X\x09\x00\x00\x00hub_tokenq\x01X%\x00\x00\x00" + SAMPLES["huggingface"].encode() + b"u."
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("run/.env", SAMPLES["environment"])
        archive.writestr("run/logo.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    result = check({"training_args.bin": pickled, "run.zip": packed.getvalue()})
    places = [(str(finding.location), finding.rule.id) for finding in result.findings]
    assert [("run.zip › run/.env:1", "secret-found"), ("training_args.bin", "secret-found")] == places


def test_text_of_another_encoding_is_read() -> None:
    """A file that an editor on Windows wrote."""
    (finding,) = check({"notes.txt": f"Token\r\n{SAMPLES['github']}\r\n".encode("utf-16")}).findings
    assert finding.location is not None
    assert ("secret-found", 2) == (finding.rule.id, finding.location.line)


def test_what_was_not_searched_is_said() -> None:
    """A text beyond the limits, a container too deep and a broken one are findings: not looked at is never clean."""
    small = Limits(json_bytes=1000, container_depth=0)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "text")
    result = check({"a.txt": "word " * 1000, "b.zip": packed.getvalue()}, small)
    assert ["publish-check-incomplete"] * 2 == rules(result)
    assert "only the first 1000 of 5000 bytes" in result.findings[0].message
    cut = packed.getvalue()[:-30]
    assert ["publish-check-incomplete"] == rules(check({"b.zip": cut}))


def test_a_file_that_vanishes_is_said() -> None:
    """A text that was listed and can't be opened any more was not searched."""

    class Vanishing(MemoryRepo):
        def open(self, path: str) -> MemorySource:
            if self.opened.count(path):
                raise FileNotFoundError(2, "No such file or directory")
            return super().open(path)  # type: ignore[return-value]

    assert ["publish-check-incomplete"] == rules(check_source(Vanishing({"a.txt": b"some text"}), Limits()))


def test_findings_of_a_file_are_bounded() -> None:
    """A file full of credentials gives as many findings as the limits allow, and says that there are more."""
    text = "\n".join("ghp_" + made(36) for _ in range(30))
    result = check({"a.txt": text}, Limits(findings_per_file=10))
    assert [*["secret-found"] * 10, "publish-check-incomplete"] == sorted(rules(result), reverse=True)


def test_a_credential_across_windows_keeps_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a large text overlap, so that no cut hides a match or shifts a line."""
    monkeypatch.setattr("aibom.resolvers.leaks._WINDOW", 10_000)
    lines = [f"line {number} of many words" for number in range(3000)]
    for number in range(0, 3000, 97):
        lines[number] = "ghp_" + made(36)
    found = sorted(str(finding.location) for finding in check({"a.txt": "\n".join(lines)}).findings)
    assert sorted(f"a.txt:{number}" for number in range(1, 3001, 97)) == found


def test_one_line_without_end_is_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minified document has one line; it is cut all the same."""
    monkeypatch.setattr("aibom.resolvers.leaks._WINDOW", 10_000)
    parts = list(windows(MemorySource(b"x" * 50_000), 50_000))
    assert max(len(part.text) for part in parts) < 20_000
    assert {0} == {part.before for part in parts}


def test_a_report_holds_no_credential_anywhere() -> None:
    """What another finding quoted is redacted too, also where the quotation was cut, and nothing else changes."""
    token = SAMPLES["github"]
    finding = Finding.of(
        publish_check.LOCAL_PATH, f"calls x({token})", evidence=(f"y {token[:20]}…", "z"), severity=Severity.LOW
    )
    changed = redacted((finding, {token: "b", "n": 3}), frozenset({token, "short"}))
    assert token[:13] not in repr(changed)
    assert (("y [redacted-1]…", "z"), {"[redacted-1]": "b", "n": 3}) == (changed[0].evidence, changed[1])
    assert finding.rule is changed[0].rule
    assert finding is redacted(finding, frozenset())
    other = SAMPLES["gitlab"]
    names = redacted((f"a-{token}.txt", f"a-{other}.txt", token + token), frozenset({token, other}))
    assert ("a-[redacted-1].txt", "a-[redacted-2].txt", "[redacted-1][redacted-1]") == names
    alike = frozenset({"sk-ant-api03-" + made(90), "sk-ant-api03-" + made(90)})
    assert {"[redacted-1]", "[redacted-2]"} == set(redacted(tuple(alike), alike))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("abe:/\\@.=\"'-_ \n\t{}$0123456789")), max_size=400), st.sampled_from(
    ["https://", "password=", "eyJ", "-----BEGIN PRIVATE KEY-----", "bearer ", "/home/", "wandb", "api_key", "10."]
))  # fmt: skip
def test_any_text_is_searched(text: str, start: str) -> None:
    """No text raises, every match stands on one of its lines and masks its value."""
    for match in find_leaks(Window(text=start + text + start + text, before=0), ".env", frozenset(Leak)):
        assert 1 <= match.line <= (start + text).count("\n") * 2 + 2
        assert match.value not in match.masked or len(match.value) <= 1


@pytest.mark.parametrize("unit", [
    "https://a:", "password=", "eyJaaaaaaaaaaaaaaa.", "-----BEGIN PRIVATE KEY-----\n", "a@", "/home/a", "wandb_key ",
    "10.", "machine a login ", "token_token_", "C:\\Users\\a ", "sk-", "x@x.", "bearer bearer ", "AKIA", "SG.", "://a.local",
])  # fmt: skip
def test_no_text_is_expensive(unit: str) -> None:
    """Half a megabyte of beginnings is searched in time that grows with its length alone."""
    started = time.process_time()
    list(find_leaks(Window(text=unit * (500_000 // len(unit)), before=0), ".env", frozenset(Leak)))
    assert 10 > time.process_time() - started


def test_detect_secrets_adds_what_it_alone_knows() -> None:
    """With the extra installed, a kind that our table does not know is found, once, and masked."""
    pytest.importorskip("detect_secrets", reason="the extra aibom[secrets] is not installed")
    key = made(32, HEX) + "-us12"
    (finding,) = check({"a.txt": f"First.\nmailchimp {key}\n{'long ' * 2000}\n"}).findings
    assert finding.location is not None
    assert ("secret-found", 2) == (finding.rule.id, finding.location.line)
    assert "detect-secrets" in finding.message
    assert key not in finding.message
    assert () == tuple(leaks_second_opinion.second_opinion(Window(text=key * 40_000, before=0)))


def test_without_detect_secrets_the_table_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is no requirement."""
    monkeypatch.setattr(publish_check, "is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "detect_secrets", types.ModuleType("detect_secrets"))
    assert ["secret-found"] == rules(check({"a.txt": SAMPLES["github"]}))


@pytest.mark.parametrize(("column", "value", "fault"), [
    ("pattern", "(?P<v>a", "pattern: missing"), ("pattern", "a+", "no group `v`"), ("keyword", "HF_", "lower case"),
    ("kind", "hash", "not one of"),
])  # fmt: skip
def test_a_bad_row_of_the_table_is_named(column: str, value: str, fault: str) -> None:
    """The loader says which line of the table is wrong, and how."""
    cells = {
        "id": "a",
        "what": "b",
        "kind": "token",
        "keyword": "a",
        "pattern": "(?P<v>a)",
        "files": "*",
        "source": "c",
    }
    with pytest.raises(DataError, match=rf"secret_patterns.csv:7: .*{fault}"):
        table._pattern(Row("secret_patterns.csv", 7, cells | {column: value}))

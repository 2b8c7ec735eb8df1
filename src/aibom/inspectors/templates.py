"""Judge chat templates: what reaches out of the template, and what hides behind a condition. None is ever rendered.

Renderers differ: transformers has a sandbox and a few functions, other servers had none (CVE-2024-34359,
CVE-2026-5760). A template is judged by what it tries, not by what the sandbox of today would stop.
"""

from __future__ import annotations

import hashlib

from aibom.components import Inspection
from aibom.errors import FileFault, LimitExceeded
from aibom.files import RepoFile
from aibom.findings import Rule, Severity, Subject
from aibom.formats.json_keys import looks_like_json
from aibom.inspectors.foreign_json import parse_json
from aibom.inspectors.observations import Observations, shown
from aibom.inspectors.template_nodes import constants, parse_template
from aibom.limits import Limits
from aibom.sources.bytesource import ByteSource

_TEMPLATES = 64

TEMPLATE_INJECTION = Rule(
    id="template-injection",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.CRITICAL,
    summary="A template reaches beyond the text that it should build",
    explanation=(
        "Chat templates are programs in the Jinja language that run at every request. This one reaches for Python's "
        "internals, loads other templates, changes what the model is told at a date or a keyword, or asks for "
        "endless work. In a renderer without a sandbox such a template runs commands; in one with a sandbox it can "
        "still turn the model against its user."
    ),
    help="Do not serve the model with this template. Take the template of the original model instead.",
    references=(
        "https://nvd.nist.gov/vuln/detail/CVE-2024-34359",
        "https://nvd.nist.gov/vuln/detail/CVE-2026-5760",
    ),
    cwes=(94, 1336),
)

OURS = "aibom:"
"""Facts that an inspector adds to a file's own metadata have keys that begin so; no key of a file may."""


def inspect(file: RepoFile, data: ByteSource, limits: Limits) -> Inspection:
    """Judge a file that is a template, or a JSON document that holds some."""
    seen = Observations(file, limits)
    if data.size > limits.text_bytes:
        seen.unread(f"the template has {data.size} bytes, the limit is {limits.text_bytes}")
    text = data.read_at(0, limits.text_bytes).decode("utf-8-sig", "replace")
    if looks_like_json(text.encode()[:64]) and not file.name.endswith((".jinja", ".jinja2", ".j2")):
        judge_templates_in(parse_json(text, limits), seen)
    else:
        judge_template(text, seen, name=WHOLE_FILE)
    return seen.inspection()


WHOLE_FILE = "template"
"""The name of a template that is a file of its own: lines in it are lines of the file."""


def judge_templates_in(document: object, seen: Observations) -> None:
    """Judge what stands under `chat_template` in a tokenizer's or processor's configuration.

    It is a text, a list of `{name, template}`, or an object from names to texts.
    """
    value = document.get("chat_template") if isinstance(document, dict) else None
    match value:
        case str():
            judge_template(value, seen, name="chat_template")
        case list():
            for entry in value[:_TEMPLATES]:
                match entry:
                    case {"name": str(name), "template": str(text)}:
                        judge_template(text, seen, name=f"chat_template.{name[:64]}")
        case dict():
            for name, text in list(value.items())[:_TEMPLATES]:
                if isinstance(text, str):
                    judge_template(text, seen, name=f"chat_template.{name[:64]}")
    if isinstance(value, list | dict) and len(value) > _TEMPLATES:
        seen.unread(f"there are {len(value)} chat templates; only the first {_TEMPLATES} were judged")


def judge_template(text: str, seen: Observations, *, name: str, offset: int | None = None) -> None:
    """Report what a template does that no chat template needs, and note its digest under `aibom:sha256:<name>`."""
    seen.note(f"{OURS}sha256:{name}", hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    try:
        root = parse_template(text)
    except FileFault as fault:
        # What can't be parsed can't be rendered either, unless by an engine with other tags.
        reason = "is too large to judge" if isinstance(fault, LimitExceeded) else "can't be parsed"
        seen.unread(f"the template {shown(name)} {reason}: {fault}", offset=offset, severity=Severity.MEDIUM)
        return
    # jinja2 takes a while to import, and most targets hold no template.
    from aibom.inspectors.template_conditions import hidden_behaviour  # noqa: PLC0415
    from aibom.inspectors.template_reach import reaches_out  # noqa: PLC0415

    whole_file = name == WHOLE_FILE
    folder = constants(root)
    for line, message, severity, evidence in [
        *((found.node.lineno, found.message, found.severity, ()) for found in reaches_out(root, folder)),
        *(
            (found.node.lineno, found.message, Severity.HIGH, found.evidence)
            for found in hidden_behaviour(root, folder)
        ),
    ]:
        where = "the template" if whole_file else f"the template {shown(name)}, line {line},"
        seen.report(
            TEMPLATE_INJECTION,
            f"{where} {message}",
            offset=offset,
            line=line if whole_file else None,
            severity=severity,
            evidence=evidence,
        )


RULES = (TEMPLATE_INJECTION,)

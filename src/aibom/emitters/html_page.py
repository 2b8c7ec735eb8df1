"""The report as one HTML file that asks nothing of any server and runs nothing that the target wrote."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from aibom.components import Component
from aibom.emitters.cdx_findings import group
from aibom.emitters.cdx_text import link, origin, scalar
from aibom.emitters.inert import visible
from aibom.emitters.lineage_graph import draw
from aibom.emitters.options import EmitOptions
from aibom.emitters.page import Row, arrange, size
from aibom.report import Report

_FOLDER = resources.files("aibom.data") / "report"


def emit(report: Report, _options: EmitOptions) -> str:
    """Return the report as a page that is complete without its script, the same bytes for the same report."""
    page = arrange(report)
    style, script = _read("report.css"), _read("report.js")
    groups = group(report.findings)
    return (
        _environment()
        .from_string(_read("report.html.j2"))
        .render(
            page=page,
            groups=groups,
            rules=sorted({entry.findings[0].rule.id for entry in groups}),
            anchors=_Anchors(),
            graph=draw(report),
            obligations=_obligations(report.resolution.component(report.resolution.root)),
            policy=_policy(style, script),
            # Ours, and named by their digests in the policy: nothing else on the page is a script or a style.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
        )
    )


class _Anchors:
    """Gives each anchor once: two elements of one id would make a link ambiguous."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def take(self, name: str) -> str:
        self._taken[name] = self._taken.get(name, 0) + 1
        return name if self._taken[name] == 1 else f"{name}-{self._taken[name]}"


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.tests["multiline"] = lambda text: "\n" in text
    environment.filters |= {
        "ticks": _ticks,
        "words": lambda text: text.replace("-", " "),
        "link": link,
        "origin": origin,
        "size": size,
    }
    return environment


def _ticks(text: str) -> Markup:
    """Set what stands between backticks in a text of ours as code."""
    parts = visible(text).split("`")
    return Markup().join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def _finalize(value: Any) -> Any:
    """Spell out control and invisible characters in everything that is printed."""
    return value if isinstance(value, Markup) else visible(str(value))


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _obligations(root: Component) -> list[Row]:
    named = [(key, value) for key, value in root.properties.items() if key.startswith("aibom:license:")]
    return [
        Row(
            name=key.removeprefix("aibom:license:").replace("-", " ").replace(":", " ").capitalize(),
            value=scalar(value),
        )
        for key, value in sorted(named)
    ]


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")

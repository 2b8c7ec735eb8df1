"""Collect what is said about a model's license: card, file metadata, license files, the hub. All of it is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from aibom.components import LicenseClaim, ModelCard, Scope
from aibom.files import Format
from aibom.findings import Evidence
from aibom.report import SourceFacts
from aibom.resolvers.documents import mapping
from aibom.resolvers.layouts import Layout
from aibom.resolvers.license_files import POLICY_FILE, LicenseFile, files_of_terms, named_files
from aibom.resolvers.license_names import read_name
from aibom.resolvers.license_texts import detect
from aibom.resolvers.repository import Repository, folder_of, join, line_of, name_of, stated

_WEB = re.compile(r"https?://[^\s\"'<>]{1,1000}$")
_METADATA_KEYS: Mapping[Format, tuple[str, ...]] = {
    Format.GGUF: ("general.license",),
    Format.SAFETENSORS: ("license", "modelspec.license"),
    Format.ONNX: ("license", "metadata.license"),
}
# "...rights granted ... are not being granted to you if you are ... in the European Union", Llama 3.2 Use Policy.
_NO_UNION = re.compile(
    r"\bnot\s+(?:being\s+)?(?:granted|licensed|permitted)\b[^.]{0,300}\bEuropean\s+Union\b", re.IGNORECASE
)
_LICENSE_HEADING = re.compile(r"licen[cs]", re.IGNORECASE)
# As in: the model is made available under the [Falcon-180B TII License], with or without a version after it.
_UNDER = re.compile(
    r"\bunder (?:the |an? )?(?P<name>[\[*_`]{0,4}[A-Za-z][\w .,+-]{1,60}?\blicen[cs]e\b"
    r"(?:[ ,]+(?:version |v)?\d+(?:\.\d+){0,2})?)",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"\s+licen[cs]e$", re.IGNORECASE)
_MAX_PROSE = 50_000  # characters under headings that speak of the license


class Terms(Struct, frozen=True, kw_only=True):
    """Everything said about the license of a model. `policies` and `notices` are paths of such files."""

    claims: tuple[LicenseClaim, ...]
    files: tuple[LicenseFile, ...]
    policies: tuple[str, ...]
    notices: tuple[str, ...]
    unread: tuple[str, ...]
    """License files whose text can't be read here (PDF)."""
    territories: tuple[Evidence, ...] = ()
    """Where something beside the license shuts out people of the European Union."""


def collect_terms(repository: Repository, layout: Layout, card: ModelCard | None, facts: SourceFacts | None) -> Terms:
    """Gather the claims of one model; those of its folder come before those of the root."""
    folder = layout.folder
    files = files_of_terms(repository, folder)
    claims = [
        *_card(card),
        *_gate(card),
        *_weight_metadata(layout),
        *_configurations(repository, layout),
        *_source(facts),
        *(claim for file in files for claim in _detected(file)),
    ]
    if not any(claim.expression for claim in claims if claim.scope is Scope.WEIGHTS):
        claims += _prose(card)
    named = repository.once("terms", folder, lambda: named_files(repository, folder))
    return Terms(
        claims=tuple(claims),
        files=files,
        policies=named["policies"],
        notices=named["notices"],
        unread=named["unread"],
        territories=tuple(_territories(repository, card, [*named["policies"], *(file.path for file in files)])),
    )


def _declared(raw: str, evidence: Evidence, *, scope: Scope = Scope.WEIGHTS, url: str | None = None) -> LicenseClaim:
    named = read_name(raw)
    return LicenseClaim(
        raw=raw[:500],
        basis="declared",
        expression=named.expression,
        key=named.license.key if named.license else None,
        scope=scope,
        evidence=evidence,
        url=url,
    )


def _card(card: ModelCard | None) -> Iterator[LicenseClaim]:
    if card is None:
        return
    fields = card.fields
    link = fields.get("license_link", ("",))[0]
    url = link if _WEB.match(link) else None
    names = fields.get("license_name", ())
    for index, raw in enumerate(fields.get("license", ())):
        line = card.lines.get(f"license.{index}", card.lines.get("license"))
        if raw.lower() == "other" and names:
            continue  # the name below says which
        yield _declared(raw, stated(card.path, f"license: {raw[:200]}", line), url=url)
    for raw in names:
        line = card.lines.get("license_name")
        yield _declared(raw, stated(card.path, f"license_name: {raw[:200]}", line), url=url)


def _prose(card: ModelCard | None) -> Iterator[LicenseClaim]:
    """What the card's section on the license says in words: the weakest claim, read where there is no other."""
    left = _MAX_PROSE
    for section in card.sections if card else ():
        if not _LICENSE_HEADING.search(section.title):
            continue
        text, left = section.text[:left], left - min(left, len(section.text))
        for match in _UNDER.finditer(text):
            words = " ".join(re.sub(r"[\[\]*_`]", " ", match["name"]).split())
            named = read_name(words) if read_name(words).expression else read_name(_LAST_WORD.sub("", words))
            if named.expression:
                assert card is not None
                line = (section.text_line or section.line) + section.text.count("\n", 0, match.start())
                yield _declared(named.raw, stated(card.path, f"in the text: {words[:200]}", line))
                return


def _gate(card: ModelCard | None) -> Iterator[LicenseClaim]:
    """What a visitor must accept often is the license text itself."""
    for text in card.fields.get("extra_gated_prompt", ()) if card else ():
        found = detect(text)
        for item in found.licenses if found else ():
            assert card is not None
            assert found is not None
            yield LicenseClaim(
                raw=item.name,
                basis="detected",
                expression=item.expression,
                key=item.key,
                evidence=stated(
                    card.path, f"extra_gated_prompt: {found.statement}", card.lines.get("extra_gated_prompt")
                ),
            )


def _territories(repository: Repository, card: ModelCard | None, paths: Sequence[str]) -> Iterator[Evidence]:
    """A gate that refuses the Union, and use policies that do not license it, say what the license file does not."""
    if card and card.fields.get("extra_gated_eu_disallowed") == ("true",):
        line = card.lines.get("extra_gated_eu_disallowed")
        yield stated(card.path, "extra_gated_eu_disallowed: people in the EU get no access", line)
    for path in dict.fromkeys(paths):
        if (
            POLICY_FILE.search(name_of(path))
            and (text := repository.text(path))
            and (match := _NO_UNION.search(text.text))
        ):
            yield stated(
                path, "rights are not granted in the European Union", text.text.count("\n", 0, match.start()) + 1
            )


def _weight_metadata(layout: Layout) -> Iterator[LicenseClaim]:
    seen: set[str] = set()
    for file in layout.files:
        metadata = file.inspection.metadata
        for key in _METADATA_KEYS.get(file.format, ()):
            raw = metadata.get(key)
            if not isinstance(raw, str) or not raw.strip() or raw in seen:
                continue
            seen.add(raw)
            link = metadata.get(f"{key}.link")
            name = metadata.get(f"{key}.name")
            if raw.lower() == "other" and isinstance(name, str) and name.strip():
                raw = name
            url = link if isinstance(link, str) and _WEB.match(link) else None
            yield _declared(raw.strip(), stated(file.path, f"{key}: {raw.strip()[:200]}"), url=url)


def _configurations(repository: Repository, layout: Layout) -> Iterator[LicenseClaim]:
    path = layout.marker.config_path
    if path:
        pretrained = mapping(layout.config.get("pretrained_cfg"))
        for key, raw in (
            ("license", layout.config.get("license")),
            ("pretrained_cfg.license", pretrained.get("license")),
        ):
            if isinstance(raw, str) and raw.strip():
                yield _declared(
                    raw.strip(), stated(path, f"{key}: {raw[:200]}", line_of(repository.text(path), '"license"'))
                )
    # MLflow keeps the data of the card; the archiver of TorchServe's forerunner wrote the license into its manifest.
    for name in ("pyproject.toml", "Kitfile", "model_card_data.yaml", "MAR-INF/MANIFEST.json"):
        found = repository.find(join(layout.folder, folder_of(name)), name_of(name))
        if found and (raw := _project_license(repository, found)):
            scope = Scope.CODE if name == "pyproject.toml" else Scope.WEIGHTS
            yield _declared(raw, stated(found, f"license: {raw[:200]}"), scope=scope)


def _project_license(repository: Repository, path: str) -> str | None:
    if path.endswith(".toml"):
        value: Any = mapping((repository.toml(path) or {}).get("project")).get("license")
        value = mapping(value).get("text") if isinstance(value, dict) else value
    elif path.endswith(".json"):
        value = mapping(repository.json(path)).get("license")
    elif name_of(path) == "model_card_data.yaml":
        document = repository.yaml(path)
        value = _named_license(mapping(document.value)) if document else None
    else:
        document = repository.yaml(path)
        root = mapping(document.value) if document else {}
        value = mapping(root.get("model")).get("license") or mapping(root.get("package")).get("license")
    return value.strip()[:500] if isinstance(value, str) and value.strip() else None


def _named_license(data: Mapping[str, Any]) -> Any:
    name = data.get("license_name")
    return name if str(data.get("license")).lower() == "other" and name else data.get("license")


def _source(facts: SourceFacts | None) -> Iterator[LicenseClaim]:
    """What the hub, or the manifest in a registry, says."""
    claims = facts.claims if facts else {}
    for key, who in (("license", "hub"), ("descriptor.licenses", "manifest")):
        raw = claims.get(key)
        for part in raw.split(",") if isinstance(raw, str) else ():
            if part.strip():
                yield _declared(part.strip(), Evidence(statement=f"{key}: {part.strip()[:200]}", source=who))


def _detected(file: LicenseFile) -> Iterator[LicenseClaim]:
    if (found := file.detection) is None:
        return
    for item in found.licenses:
        yield LicenseClaim(
            raw=item.name,
            basis="detected",
            expression=item.expression,
            key=item.key,
            scope=file.scope,
            evidence=stated(file.path, found.statement, 1),
        )

"""What GGUF metadata says of a model's source and its bases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import replace

from aibom.components import Derivation, Scalar
from aibom.files import Format
from aibom.resolvers.layouts import Layout
from aibom.resolvers.lineage_records import BaseClaim, Trust, claim_of, same_model

_PLAIN_TYPES = frozenset({"F32", "F16", "BF16", "ALL_F32", "MOSTLY_F16", "0", "1", "32"})


def gguf_claims(layout: Layout) -> Iterator[BaseClaim]:
    """Yield what the first file with metadata says: the source that was converted, and bases."""
    for file in layout.files:
        metadata = file.inspection.metadata
        if file.format is not Format.GGUF or "general.architecture" not in metadata:
            continue
        kind = str(metadata.get("general.file_type", ""))
        derivation = Derivation.CONVERTED if kind.upper() in _PLAIN_TYPES else Derivation.QUANTIZED
        for key in ("general.source.huggingface.repository", "general.source.repo_url", "general.source.url"):
            yield from claim_of(metadata.get(key), file.path, key, Trust.TOOL, derivation=derivation)
        # Where the source is named, the bases are what that was made from, in a way that the file does not tell.
        source = any(key.startswith("general.source.") for key in metadata)
        indices = list(_indices(metadata, "general.base_model."))
        if source:
            derivation = Derivation.UNKNOWN
        elif len(indices) > 1:
            derivation = Derivation.MERGE
        about = metadata.get("general.name")
        for index in indices:
            prefix = f"general.base_model.{index}"
            for claim in claim_of(_gguf_name(metadata, prefix), file.path, prefix, Trust.TOOL, derivation=derivation):
                yield _of_another(claim, about) if isinstance(about, str) and not source else claim
        return  # every quantisation of one repository carries the same keys


def _of_another(claim: BaseClaim, about: str) -> BaseClaim:
    """A parent whose name is not the file's own was not merely stored in another form."""
    same = same_model(about, claim.name.name) or claim.derivation is Derivation.MERGE
    return replace(claim, about=about[:200], derivation=claim.derivation if same else Derivation.UNKNOWN)


def _gguf_name(metadata: Mapping[str, Scalar], prefix: str) -> Scalar | None:
    if url := metadata.get(f"{prefix}.repo_url"):
        return url
    owner, name = metadata.get(f"{prefix}.organization"), metadata.get(f"{prefix}.name")
    if isinstance(owner, str) and isinstance(name, str):
        # The converter turns dashes into spaces for the reader of the metadata.
        return f"{owner.replace(' ', '-')}/{name.replace(' ', '-')}"
    return name.lower().replace(" ", "-") if isinstance(name, str) else None


def _indices(metadata: Mapping[str, Scalar], prefix: str) -> Iterable[int]:
    """Return the numbers that keys of the metadata carry; a declared count is not believed."""
    found = {match for key in metadata if key.startswith(prefix) and (match := key[len(prefix) :].partition(".")[0])}
    return sorted(int(item) for item in found if item.isdecimal() and len(item) < 4)

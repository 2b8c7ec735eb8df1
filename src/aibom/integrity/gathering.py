"""Find what the target says about its own files, check who says it, and plan the digests that comparing needs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from aibom.components import Inspection, SignatureStatus
from aibom.digests import ALGORITHMS, MAX_SHARDS, DigestPlan, FilePlan, Shards, plan_digests
from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.files import Format, RepoFile, Role
from aibom.findings import Evidence, Finding, Rule
from aibom.inspectors.protocol import INSPECTION_INCOMPLETE
from aibom.integrity.authenticity import Authentication, Trusted, authenticate, read_trust
from aibom.integrity.bundles import BlobSignature, Bundle, read_bundle
from aibom.integrity.checksums import is_checksum_file, read_card_digests, read_checksums
from aibom.integrity.claims import Claim, Manifest, Resource
from aibom.integrity.comparison import base_of, subject_of
from aibom.integrity.detached import Detached, find_detached
from aibom.integrity.hub_listing import is_hub_listing, read_download_notes, read_hub_listing
from aibom.integrity.rules import SIGNATURE_INVALID
from aibom.integrity.statements import MODEL_SIGNATURE, MODEL_SIGNATURE_V0_2, Statement, read_statement
from aibom.integrity.strict_json import strict_object
from aibom.integrity.tensors import plan_spans
from aibom.limits import Limits
from aibom.settings import Settings
from aibom.sources.protocol import Source

MODEL_SIGNED, ATTESTATION, BLOB_SIGNATURE = "model-signature", "attestation", "blob-signature"
_BUNDLES = frozenset({Format.OMS_SIGNATURE, Format.SIGSTORE_BUNDLE})
_BUNDLE_ENDINGS = (".sig", ".sigstore", ".sigstore.json")
_ENVELOPE_WORDS = (b'"payloadType"', b'"dsseEnvelope"', b'"messageSignature"')
_SNIFFED = 4096
# An attestation file holds a line for each builder or platform, never thousands.
_MAX_LINES = 100
# Each further way to cut the files costs a further digest of every byte.
_MAX_SHARD_SIZES = 2
_CERTAIN = frozenset({SignatureStatus.VERIFIED, SignatureStatus.UNPINNED})


class Gathered(Struct, frozen=True, kw_only=True):
    """What is to be compared once the files are digested, and which digests that takes."""

    trusted: Trusted
    claims: tuple[Claim, ...]
    detached: tuple[Detached, ...]
    plan: DigestPlan


def gather(source: Source, inspections: tuple[Inspection, ...], settings: Settings, now: dt.datetime) -> Gathered:
    """Read signatures and checksum files, check the signatures, and plan the digests. `now` has a time zone.

    Raises:
        MalformedFile: the user's own keys, authorities or trusted root can't be read.
    """
    trusted = read_trust(settings.trust, now)
    files = {item.file.path: item.file for item in inspections if not item.file.members}
    claims: list[Claim] = []
    for file in files.values():
        try:
            claims.extend(_read(source, file, files, trusted, settings.limits))
        except OSError:
            continue  # the inventory has reported it
    if (notes := read_download_notes(source, files)) is not None:
        claims.append(notes)
    taken = frozenset(claim.file.path for claim in claims)
    detached = tuple(find_detached(source, files, taken))
    return Gathered(
        trusted=trusted,
        claims=tuple(claims),
        detached=detached,
        plan=_plan(files, inspections, claims, detached, settings),
    )


# --- reading ----------------------------------------------------------------------------------------------------------


def _read(
    source: Source, file: RepoFile, files: Mapping[str, RepoFile], trusted: Trusted, limits: Limits
) -> Iterator[Claim]:
    if is_hub_listing(file, files):
        with source.open(file.path) as data:
            try:
                claim = read_hub_listing(file, data, limits)
            except FileFault:
                return  # a cache file that its own client would ignore
        if claim is not None:
            yield claim
        return
    named_so = file.path.lower().endswith(_BUNDLE_ENDINGS)
    if file.format in _BUNDLES or (file.format is Format.JSON and named_so):
        with source.open(file.path) as data:
            if data.size > limits.json_bytes:
                yield _refused(file, LimitExceeded(f"{data.size} bytes of JSON, limit {limits.json_bytes}"))
                return
            raw = data.read_at(0, data.size)
        yield _read_bundle(file, raw, trusted, limits)
    elif file.format is Format.JSONL:
        yield from _read_lines(source, file, trusted, limits)
    elif is_checksum_file(file) or file.role is Role.CARD:
        with source.open(file.path) as data:
            claim = (
                read_card_digests(file, data, limits, files)
                if file.role is Role.CARD
                else read_checksums(file, data, limits)
            )
        if claim is not None:
            yield claim


def _read_lines(source: Source, file: RepoFile, trusted: Trusted, limits: Limits) -> Iterator[Claim]:
    """Read a file of attestations, one a line (`multiple.intoto.jsonl`)."""
    with source.open(file.path) as data:
        head = data.read_at(0, _SNIFFED)
        if not any(word in head for word in _ENVELOPE_WORDS):
            return
        if data.size > limits.json_bytes:
            yield _refused(file, LimitExceeded(f"{data.size} bytes of attestations, limit {limits.json_bytes}"))
            return
        lines = [line for line in data.read_at(0, data.size).split(b"\n", _MAX_LINES + 1) if line.strip()]
    if len(lines) > _MAX_LINES:
        yield _refused(file, LimitExceeded(f"more than {_MAX_LINES} attestations in one file"))
    for line in lines[:_MAX_LINES]:
        yield _read_bundle(file, line, trusted, limits)


def _read_bundle(file: RepoFile, raw: bytes, trusted: Trusted, limits: Limits) -> Claim:
    try:
        bundle = read_bundle(strict_object(raw, limits), raw)
    except FileFault as fault:
        return _refused(file, fault)
    # The cryptography comes first; what is signed is read only then.
    outcome = authenticate(bundle, trusted)
    claim = Claim(
        kind=MODEL_SIGNED if file.format is Format.OMS_SIGNATURE else ATTESTATION,
        file=file,
        status=outcome.status,
        signer=outcome.signer,
        evidence=tuple(Evidence(statement=text, location=file.at()) for text in outcome.evidence),
        findings=(Finding.of(outcome.rule, outcome.message, file.at()),) if outcome.rule else (),
    )
    if isinstance(bundle.content, BlobSignature):
        claim = replace(claim, kind=BLOB_SIGNATURE)
    if outcome.status in {SignatureStatus.INVALID, SignatureStatus.ERROR}:
        return claim
    return _with_content(claim, bundle, outcome, limits)


def _with_content(claim: Claim, bundle: Bundle, outcome: Authentication, limits: Limits) -> Claim:
    """Add what is signed. Without a verified signature it is a list of checksums, worth as much as any other."""
    file = claim.file
    if isinstance(bundle.content, BlobSignature):
        name = subject_of(file.path).rpartition("/")[2]
        item = Resource(name=name, algorithm="sha256", digest=bundle.content.sha256.hex())
        return replace(claim, manifest=Manifest(resources=(item,), by_digest=True))
    try:
        statement = read_statement(bundle.content, limits)
        if outcome.legacy and statement.predicate_type != MODEL_SIGNATURE_V0_2:
            raise MalformedFile("it is signed in the way of the first release, but is no statement of that release")
    except FileFault as fault:
        certain = claim.status in _CERTAIN or claim.kind == MODEL_SIGNED
        refused = _refused(file, fault)
        if certain or isinstance(fault, LimitExceeded):
            return replace(refused, kind=claim.kind, signer=claim.signer)
        text = Evidence(statement=f"not read: {fault}", location=file.at())
        return replace(claim, status=SignatureStatus.UNSUPPORTED, evidence=(*claim.evidence, text))
    return replace(
        claim,
        kind=MODEL_SIGNED if statement.predicate_type in {MODEL_SIGNATURE, MODEL_SIGNATURE_V0_2} else ATTESTATION,
        manifest=statement.manifest,
        evidence=(*claim.evidence, *(Evidence(statement=text, location=file.at()) for text in _said(statement))),
    )


def _said(statement: Statement) -> Iterator[str]:
    """Say what an attestation is about: its kind, and who built the thing (SLSA provenance)."""
    yield f"predicate {statement.predicate_type[:200]}"
    match statement.predicate:
        case {"runDetails": {"builder": {"id": str(builder)}}} | {"builder": {"id": str(builder)}}:
            yield f"builder {builder[:200]}"
        case _:
            pass


def _refused(file: RepoFile, fault: FileFault) -> Claim:
    """Make the claim of a signature that can't be used: malformed is invalid, beyond the limits is an error."""
    limited = isinstance(fault, LimitExceeded)
    rule: Rule = INSPECTION_INCOMPLETE if limited else SIGNATURE_INVALID
    return Claim(
        kind=MODEL_SIGNED if file.format is Format.OMS_SIGNATURE else ATTESTATION,
        file=file,
        status=SignatureStatus.ERROR if limited else SignatureStatus.INVALID,
        evidence=(Evidence(statement=str(fault), location=file.at()),),
        findings=(Finding.of(rule, str(fault), file.at()),),
    )


# --- planning ---------------------------------------------------------------------------------------------------------


def _plan(
    files: Mapping[str, RepoFile],
    inspections: tuple[Inspection, ...],
    claims: Iterable[Claim],
    detached: Iterable[Detached],
    settings: Settings,
) -> DigestPlan:
    """Say what every file's one read has to give: only algorithms and sizes are taken from the target, from a list."""
    plan = plan_digests(files.values(), settings)
    sizes: set[int] = set()
    for claim in claims:
        if claim.manifest is not None:
            _add(plan, claim, claim.manifest, files, sizes)
    for item in detached:
        if item.minisign is not None and item.minisign.prehashed and item.subject is not None:
            plan[item.subject] = _wider(plan[item.subject], "blake2b")
    if settings.tensor_digests:
        for path, spans in plan_spans(inspections).items():
            if path in plan:
                plan[path] = replace(plan[path], spans=spans)
    return plan


def _add(
    plan: dict[str, FilePlan], claim: Claim, manifest: Manifest, files: Mapping[str, RepoFile], sizes: set[int]
) -> None:
    base = "" if manifest.by_digest else base_of(claim.file.path, manifest, files)
    size = manifest.shard_size
    if size is not None:
        if len(sizes | {size}) > _MAX_SHARD_SIZES:
            return  # comparing says that no such digest was computed
        sizes.add(size)
    # A name that only informs could be any file: what it needs is computed for all of them.
    everywhere = {item.algorithm for item in manifest.resources if manifest.by_digest or item.name == "."}
    for algorithm in everywhere & ALGORITHMS.keys():
        plan.update({path: _wider(known, algorithm) for path, known in plan.items()})
    for item in manifest.resources:
        path = base + item.name
        if path not in plan or item.algorithm not in ALGORITHMS:
            continue
        if size is None:
            plan[path] = _wider(plan[path], item.algorithm)
        elif files[path].size <= size * MAX_SHARDS:
            cut = Shards(algorithm=item.algorithm, size=size)
            if cut not in plan[path].shards:
                plan[path] = replace(plan[path], shards=(*plan[path].shards, cut))


def _wider(plan: FilePlan, algorithm: str) -> FilePlan:
    return plan if algorithm in plan.algorithms else replace(plan, algorithms=(*plan.algorithms, algorithm))

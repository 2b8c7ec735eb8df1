"""Reports for tests of emitters, built by hand: no scan, no files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from hashlib import sha256

from msgspec.structs import replace

from aibom.components import (
    Basis,
    Component,
    ComponentKind,
    Derivation,
    Fact,
    Import,
    Inspection,
    LicenseClaim,
    Metric,
    ModelCard,
    ModelFacts,
    Reference,
    ReferenceKind,
    Relation,
    RelationKind,
    Resolution,
    Scope,
    Section,
    SignatureStatus,
    Tensor,
    TensorSummary,
    Use,
    Verdict,
    Verification,
    WeightSet,
)
from aibom.files import Coverage, Digest, Format, Location, RepoFile, Role, escape_name
from aibom.findings import Evidence, Finding, Rule, Severity, Subject, Suppression
from aibom.report import (
    Answer,
    ChecklistItem,
    Determination,
    Report,
    RuleRef,
    Skipped,
    SourceFacts,
    Strength,
    Timing,
    ToolInfo,
)
from aibom.settings import Identity, Settings

CREATED = dt.datetime(2026, 11, 21, 12, 0, 0, tzinfo=dt.UTC)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BASE_COMMIT = "fedcba9876543210fedcba9876543210fedcba98"

PICKLE_RULE = Rule(
    id="pickle-dangerous-import",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.CRITICAL,
    summary="Loading the file runs a command",
    explanation="Unpickling calls whatever the stream names.",
    help="Do not load it. Ask the publisher for safetensors weights.",
    references=("https://docs.python.org/3/library/pickle.html", "CVE-2025-1716"),
    cwes=(502,),
)
LICENSE_RULE = Rule(
    id="license-conflict",
    subject=Subject.TERMS,
    severity=Severity.HIGH,
    summary="Declared and inherited terms can't both hold",
    explanation="A fine-tune keeps the base model's terms.",
    help="Declare the base model's licence as well.",
)
PRESENT_RULE = Rule(
    id="pickle-present",
    subject=Subject.CODE_ON_LOAD,
    severity=Severity.INFO,
    summary="The file is a pickle",
    explanation="A safer format exists.",
    help="Prefer safetensors.",
)

HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b]0;title\x07\x9b2J",
    '=HYPERLINK("http://evil.example")',
    "a\u202egnp.exe",
    "](javascript:alert(1))",
    "|pipe|`tick`\n# heading\n---",
    "\ud800 lone",
    "]]><!--",
    "' onmouseover='alert(1)",
)


def digest_of(path: str) -> Digest:
    """Return the SHA-256 that the built reports give to a file."""
    return Digest(algorithm="sha256", value=sha256(path.encode("utf-8", "surrogatepass")).hexdigest())


def place(path: str, line: int | None = None, offset: int | None = None, *members: str) -> Location:
    return Location(path=path, members=members, offset=offset, line=line)


def said(statement: str, path: str = "README.md", line: int | None = None, source: str | None = None) -> Evidence:
    return Evidence(statement=statement, location=place(path, line), source=source)


def inspected(
    path: str,
    file_format: Format = Format.SAFETENSORS,
    role: Role = Role.WEIGHTS,
    *,
    size: int = 1000,
    coverage: Coverage = Coverage.COMPLETE,
    findings: tuple[Finding, ...] = (),
    members: tuple[str, ...] = (),
    tensors: TensorSummary | None = None,
    imports: tuple[Import, ...] = (),
) -> Inspection:
    file = RepoFile(path=path, size=size, format=file_format, role=role, members=members)
    return Inspection(file=file, coverage=coverage, findings=findings, tensors=tensors, imports=imports)


def make_report(
    *,
    inspections: Iterable[Inspection] = (),
    components: Iterable[Component] = (),
    relations: Iterable[Relation] = (),
    findings: Iterable[Finding] = (),
    determinations: Iterable[Determination] = (),
    verifications: Iterable[Verification] = (),
    skipped: Iterable[Skipped] = (),
    root: str = "model:.",
) -> Report:
    """Make a report around the given parts; without components, the root is an unnamed model with all the files."""
    inspections = tuple(inspections)
    paths = tuple(sorted({inspection.file.path for inspection in inspections}))
    components = tuple(components) or (
        Component(ref=root, kind=ComponentKind.MODEL, name="model", version="0" * 64, paths=paths),
    )
    return Report(
        target="model",
        created=CREATED,
        tool=ToolInfo(name="aibom", version="0.1.0"),
        settings=Settings(as_of=dt.date(2026, 11, 21)),
        source=SourceFacts(),
        root_digest=sha256("".join(paths).encode("utf-8", "surrogatepass")).hexdigest(),
        inspections=inspections,
        digests={path: (digest_of(path),) for path in paths},
        resolution=Resolution(root=root, components=components, relations=tuple(relations)),
        skipped=tuple(skipped),
        verifications=tuple(verifications),
        determinations=tuple(determinations),
        findings=tuple(findings),
        rule_data={"pickle-globals": "2026-11-01", "licenses": "2026-10-30"},
    )


def minimal_report() -> Report:
    """One safetensors file, nothing known about it."""
    return make_report(inspections=[inspected("model.safetensors")])


def malicious_finding(path: str = "pytorch_model.bin", *, suppressed: bool = False) -> Finding:
    finding = Finding.of(
        PICKLE_RULE,
        'calls posix.system("curl …"); loading this file runs a command',
        place(path, None, 0x1C4, "archive/data.pkl"),
        evidence=("import posix.system", "called with 'curl …'"),
    )
    if suppressed:
        suppression = Suppression(
            reason="reviewed in SEC-142", source="aibom.toml: ignore 1", until=dt.date(2027, 3, 1)
        )
        return replace(finding, suppression=suppression)
    return finding


def fine_tune_report() -> Report:
    """A Llama fine-tune with a base model, data sets, a malicious pickle, determinations and a partial signature."""
    card = ModelCard(
        path="README.md",
        fields={
            "license": ("apache-2.0",),
            "language": ("en", "no"),
            "base_model": ("meta-llama/Llama-3.1-8B",),
            "datasets": ("acme/tickets", "gsm8k"),
            "tags": ("chat", "text-generation"),
        },
        lines={"license": 3, "language": 4, "base_model": 5, "datasets": 7, "tags": 10},
        sections=(
            Section(title="Intended use", level=2, line=20, text="Answers to support tickets."),
            Section(title="Out-of-scope use", level=2, line=24, text="Medical or legal advice."),
            Section(title="Bias, Risks, and Limitations", level=2, line=28, text="May be wrong.\nEnglish only."),
            Section(title="Ethical considerations", level=2, line=33, text="Tickets may hold personal data."),
        ),
        metrics=(
            Metric(
                type="exact_match",
                value="0.412",
                dataset="gsm8k",
                split="test",
                verified=True,
                evidence=said("exact_match 0.412", line=14),
            ),
            Metric(type="loss", value="1.9", evidence=said("loss 1.9", line=16)),
        ),
        emissions_grams=1250.0,
    )
    facts = ModelFacts(
        architecture=Fact(
            value="LlamaForCausalLM", basis=Basis.DECLARED, evidence=said("architectures", "config.json", 3)
        ),
        family=Fact(value="llama", basis=Basis.DECLARED, evidence=said("model_type", "config.json", 9)),
        task=Fact(value="text-generation", basis=Basis.DECLARED, evidence=said("pipeline_tag", line=12)),
        library=Fact(
            value="transformers", basis=Basis.DETECTED, evidence=said("transformers_version", "config.json", 20)
        ),
        library_version=Fact(value="4.57.1", basis=Basis.DECLARED, evidence=said("4.57.1", "config.json", 20)),
        parameters=Fact(
            value=8_030_261_248,
            basis=Basis.COMPUTED,
            evidence=said("sum of shapes", "model-00001-of-00002.safetensors"),
        ),
        active_parameters=None,
        context_length=Fact(
            value=131072, basis=Basis.DECLARED, evidence=said("max_position_embeddings", "config.json", 8)
        ),
        vocabulary=Fact(value=128256, basis=Basis.DECLARED, evidence=said("vocab_size", "config.json", 21)),
        quantization=None,
        inputs=(Fact(value="text", basis=Basis.CONCLUDED, evidence=said("pipeline_tag", line=12)),),
        outputs=(Fact(value="text", basis=Basis.CONCLUDED, evidence=said("pipeline_tag", line=12)),),
        weight_sets=(
            WeightSet(
                format=Format.SAFETENSORS,
                variant="",
                paths=("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
                stored_elements=8_030_261_248,
                elements_by_dtype={"BF16": 8_030_261_248},
                parameters=8_030_261_248,
                derivation="sum of tensor shapes",
            ),
            WeightSet(
                format=Format.PYTORCH_ZIP,
                variant="",
                paths=("pytorch_model.bin",),
                stored_elements=8_030_261_000,
                elements_by_dtype={"BF16": 8_030_261_000},
                parameters=None,
                derivation="not all could be counted",
                complete=False,
            ),
        ),
        config={"hidden_size": 4096, "hidden_act": "silu", "rope_scaling.factor": 8.0, "tie_word_embeddings": False},
    )
    model = Component(
        ref="model:.",
        kind=ComponentKind.MODEL,
        name="acme-chat",
        group="acme",
        version=COMMIT,
        purl=f"pkg:huggingface/acme/acme-chat@{COMMIT}",
        description="Chat about tickets.",
        licenses=(
            LicenseClaim(
                raw="apache-2.0",
                basis="declared",
                expression="Apache-2.0",
                key="apache-2.0",
                evidence=said("license", line=3),
            ),
            LicenseClaim(
                raw="LLAMA 3.1 COMMUNITY LICENSE AGREEMENT",
                basis="detected",
                expression="LicenseRef-llama3.1",
                key="llama3.1",
                evidence=said("text matches", "LICENSE", 1),
                url="https://www.llama.com/llama3_1/license/",
            ),
            LicenseClaim(
                raw="apache-2.0 and llama3.1",
                basis="concluded",
                expression="Apache-2.0 AND LicenseRef-llama3.1",
                evidence=said("declared, with the base model's terms"),
            ),
        ),
        paths=(
            "LICENSE",
            "README.md",
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "pytorch_model.bin",
        ),
        card=card,
        model=facts,
        urls={"model-card": "https://huggingface.co/acme/acme-chat", "paper": "https://arxiv.org/abs/2407.21783"},
        supplier=Fact(value="acme", basis=Basis.DECLARED, evidence=Evidence(statement="owner", source="hub")),
        properties={"aibom:license:conflict": "apache-2.0 vs llama3.1: user threshold"},
        evidence=(said("front matter", line=1),),
    )
    base = Component(
        ref="model:meta-llama/Llama-3.1-8B",
        kind=ComponentKind.MODEL,
        name="Llama-3.1-8B",
        group="meta-llama",
        version=BASE_COMMIT,
        purl=f"pkg:huggingface/meta-llama/Llama-3.1-8B@{BASE_COMMIT}",
        seen=False,
        licenses=(
            LicenseClaim(
                raw="llama3.1",
                basis="declared",
                expression="LicenseRef-llama3.1",
                key="llama3.1",
                evidence=Evidence(statement="licence of the base", source="known models 2026-11"),
            ),
        ),
    )
    tickets = Component(
        ref="dataset:acme/tickets",
        kind=ComponentKind.DATASET,
        name="tickets",
        group="acme",
        seen=False,
        urls={"website": "https://huggingface.co/datasets/acme/tickets"},
        licenses=(
            LicenseClaim(
                raw="cc-by-nc-4.0",
                basis="declared",
                expression="CC-BY-NC-4.0",
                key="cc-by-nc-4.0",
                scope=Scope.DATA,
                evidence=Evidence(statement="dataset card", source="hub"),
            ),
        ),
    )
    gsm8k = Component(ref="dataset:gsm8k", kind=ComponentKind.DATASET, name="gsm8k", seen=False)
    library = Component(
        ref="library:transformers",
        kind=ComponentKind.LIBRARY,
        name="transformers",
        version="4.57.1",
        purl="pkg:pypi/transformers@4.57.1",
        seen=False,
        evidence=(said("requirement", "requirements.txt", 1),),
    )
    accelerate = Component(
        ref="library:accelerate",
        kind=ComponentKind.LIBRARY,
        name="accelerate",
        version_range=">=1.0,<2",
        purl="pkg:pypi/accelerate",
        seen=False,
    )
    relations = (
        Relation(
            source=model.ref,
            target=base.ref,
            kind=RelationKind.DERIVED_FROM,
            derivation=Derivation.FINETUNE,
            revision=BASE_COMMIT,
            evidence=(said("base_model", line=5),),
        ),
        Relation(
            source=model.ref, target=tickets.ref, kind=RelationKind.TRAINED_ON, evidence=(said("datasets", line=7),)
        ),
        Relation(
            source=model.ref, target=gsm8k.ref, kind=RelationKind.TRAINED_ON, evidence=(said("datasets", line=8),)
        ),
        Relation(
            source=model.ref, target=gsm8k.ref, kind=RelationKind.EVALUATED_ON, evidence=(said("results", line=14),)
        ),
        Relation(source=model.ref, target=library.ref, kind=RelationKind.DEPENDS_ON),
        Relation(source=model.ref, target=accelerate.ref, kind=RelationKind.DEPENDS_ON),
    )
    bad = malicious_finding()
    tensor = Tensor(name="lm_head.weight", dtype="BF16", shape=(10, 10), offset=8, length=200)
    summary = TensorSummary(stored_elements=100, elements_by_dtype={"BF16": 100}, tensors=(tensor,))
    imports = (
        Import(
            module="posix",
            name="system",
            use=Use.CALLED,
            verdict=Verdict.DANGEROUS,
            location=place("pytorch_model.bin", None, 0x1C4, "archive/data.pkl"),
        ),
    )
    inspections = (
        inspected("LICENSE", Format.TEXT, Role.LICENSE),
        inspected("README.md", Format.MARKDOWN, Role.CARD),
        inspected("config.json", Format.TRANSFORMERS_CONFIG, Role.CONFIG),
        inspected("model-00001-of-00002.safetensors", tensors=summary),
        inspected("model-00002-of-00002.safetensors", size=5_000_000_000),
        inspected("pytorch_model.bin", Format.PYTORCH_ZIP, size=4_000_000, coverage=Coverage.COMPLETE),
        replace(
            inspected(
                "pytorch_model.bin",
                Format.PICKLE,
                members=("archive/data.pkl",),
                coverage=Coverage.PARTIAL,
                findings=(bad,),
                imports=imports,
            ),
            references=(Reference(path="modeling_acme.py", kind=ReferenceKind.CODE),),
            metadata={"protocol": 2},
        ),
        inspected("requirements.txt", Format.TEXT, Role.OTHER),
        inspected("blob.bin", Format.UNKNOWN, Role.OTHER, coverage=Coverage.NONE),
    )
    conflict = Finding.of(
        LICENSE_RULE, "declares apache-2.0, base model meta-llama/Llama-3.1-8B is llama3.1", place("README.md", 3)
    )
    present = Finding.of(PRESENT_RULE, "a safer format exists", place("pytorch_model.bin"))
    ignored = replace(
        present,
        message="an old twin",
        suppression=Suppression(reason="twin of the safetensors", source="aibom.toml: ignore 1"),
    )
    report = make_report(
        inspections=inspections,
        components=(model, base, tickets, gsm8k, library, accelerate),
        relations=relations,
        findings=(bad, conflict, present, ignored),
        determinations=determinations(model.ref),
        verifications=(
            Verification(
                kind="model-signature",
                status=SignatureStatus.VERIFIED_PARTIAL,
                location=place("model.sig"),
                signer="release@acme.example",
                covered=("model-00001-of-00002.safetensors",),
                uncovered=("pytorch_model.bin",),
                evidence=(said("signature holds", "model.sig"),),
            ),
            Verification(
                kind="lfs",
                status=SignatureStatus.CHECKSUM_OK,
                location=place("model-00001-of-00002.safetensors"),
                covered=("model-00001-of-00002.safetensors",),
            ),
        ),
        skipped=(
            Skipped(path=".git", reason="version control"),
            Skipped(path="cache/x", reason="excluded by the user"),
        ),
    )
    return replace(
        report,
        target="acme/acme-chat",
        checklist=(
            ChecklistItem(
                list="due-diligence",
                topic="security",
                id="safe-format",
                question="Are the weights in a safe format?",
                answer=Answer.PARTLY,
                statement="One of two weight sets is a pickle.",
                subject=model.ref,
                because=(said("pickle", "pytorch_model.bin"),),
            ),
            ChecklistItem(
                list="due-diligence",
                topic="support",
                id="contact",
                question="Is there a security contact?",
                answer=Answer.NOT_FOUND,
                statement="No SECURITY.md and no contact in the card.",
                subject=model.ref,
            ),
        ),
        settings=replace(
            report.settings,
            identity=Identity(supplier="ACME", author="security@acme.example"),
            operator={"role": "provider"},
        ),
        source=SourceFacts(
            kind="hub",
            identity="acme/acme-chat",
            revision=COMMIT,
            modified="2026-10-01T00:00:00Z",
            url="https://huggingface.co/acme/acme-chat",
            claims={"downloads": 12},
        ),
    )


def determinations(subject: str) -> tuple[Determination, ...]:
    """One determination of each kind of strength that an output must tell apart, over two regimes."""
    book = "eu-ai-act 2026-11-21"
    gpai = RuleRef(
        id="53-gpai",
        regime="eu-ai-act",
        key="art-53-gpai",
        provision="Art. 53, recital 98",
        title="General-purpose AI model: indicative criterion",
        authority="guideline",
        rulebook=book,
        references=("https://eur-lex.europa.eu/eli/reg/2024/1689/oj",),
    )
    exception = replace(
        gpai, id="53-2", key="art-53-2-open-source", provision="Art. 53(2)", title="Open-source exception"
    )
    modifier = replace(gpai, id="modifier", key="gpai-modifier", provision="Guidelines 62-63", title="One-third test")
    weights = RuleRef(
        id="osaid-weights",
        regime="openness",
        key="osaid:parameters",
        provision="OSAID 1.0 parameters",
        title="Parameters available",
        authority="standard",
        rulebook="openness 2026-11-01",
    )
    return (
        Determination(
            rule=gpai,
            subject=subject,
            finding="indicated",
            strength=Strength.INDICATES,
            statement="Training compute of the base is above the indicative criterion.",
            applies_from=dt.date(2025, 8, 2),
            timing=Timing.IN_FORCE,
            because=(
                said("15T tokens", line=40),
                Evidence(statement="8.03 B parameters", source="known models 2026-11"),
            ),
        ),
        Determination(
            rule=exception,
            subject=subject,
            finding="licence_disqualifies",
            strength=Strength.DOES_NOT_INDICATE,
            statement="The licence limits users.",
            against=(said("700 million", "LICENSE", 30),),
        ),
        Determination(
            rule=modifier,
            subject=subject,
            finding="insufficient_evidence",
            strength=Strength.INSUFFICIENT_EVIDENCE,
            statement="Own training compute is not stated.",
            missing=("own training compute", "training tokens"),
            addressee="provider that modified the model",
            notes=("A third of the base model's compute is the indicative threshold.",),
            confidence=0.8,
            headline=True,
        ),
        Determination(
            rule=weights,
            subject=subject,
            finding="present",
            strength=Strength.INDICATES,
            statement="Weights are in the repository.",
            because=(said("weights", "model-00001-of-00002.safetensors"),),
        ),
    )


def hostile_report() -> Report:
    """Every text that a target can set, set to something that would act if an output did not neutralise it."""
    text = "\n".join(HOSTILE_TEXTS)
    names = [escape_name(raw.encode("utf-8", "surrogatepass") + b".safetensors") for raw in HOSTILE_TEXTS]
    names += ["a//./b.bin", "..", "-rf", "\\\\x00.bin", "file:a"]
    evidence = Evidence(statement=text, location=place(names[0], 1), source=text)
    rule = replace(LICENSE_RULE, help="x")
    model = Component(
        ref="model:.",
        kind=ComponentKind.MODEL,
        name=text,
        group=text,
        version=text,
        description=text,
        paths=tuple(names),
        licenses=tuple(
            LicenseClaim(raw=raw, basis=basis, evidence=evidence, url=raw)
            for raw in HOSTILE_TEXTS
            for basis in ("declared", "detected", "concluded")
        ),
        card=ModelCard(
            path=names[0],
            fields={"language": HOSTILE_TEXTS, text: (text,)},
            sections=tuple(Section(title=t, level=2, line=1, text=text) for t in ("Intended use", *HOSTILE_TEXTS)),
            metrics=(Metric(type=text, value=text, dataset=text, evidence=evidence),),
            emissions_grams=float("inf"),
        ),
        model=ModelFacts(
            architecture=Fact(value=text, basis=Basis.DECLARED, evidence=evidence),
            task=Fact(value=text, basis=Basis.DECLARED, evidence=evidence),
            config={text: text, "hidden_size": float("nan"), "hidden_act": 10**40},
        ),
        urls={
            "website": "javascript:alert(1)",
            text: text,
            "documentation": "https://a b/\x00<>\"'",
            "vcs": "file:///etc",
        },
        properties={text: text},
        evidence=(evidence,),
    )
    itself = replace(model, ref="model:itself", seen=False, licenses=(), card=None, model=None, paths=())
    data = replace(itself, ref="dataset:\x1b", kind=ComponentKind.DATASET)
    return replace(
        make_report(
            inspections=[inspected(name, findings=(Finding.of(rule, text, place(name)),)) for name in names],
            components=(model, itself, data),
            relations=(
                Relation(source=model.ref, target=itself.ref, kind=RelationKind.DERIVED_FROM, evidence=(evidence,)),
                Relation(source=itself.ref, target=model.ref, kind=RelationKind.DERIVED_FROM),
                Relation(source=model.ref, target=data.ref, kind=RelationKind.TRAINED_ON),
                Relation(source="nobody", target="nothing", kind=RelationKind.TRAINED_ON),
            ),
            findings=[
                Finding.of(rule, t, place(name, None, 1, *HOSTILE_TEXTS), evidence=HOSTILE_TEXTS)
                for name in names
                for t in HOSTILE_TEXTS
            ],
            determinations=[
                replace(d, statement=text, because=(evidence,), missing=HOSTILE_TEXTS) for d in determinations("nobody")
            ],
            skipped=[Skipped(path=names[0], reason=text)],
            verifications=[
                Verification(
                    kind=text, status=SignatureStatus.INVALID, signer=text, uncovered=tuple(names), evidence=(evidence,)
                )
            ],
        ),
        target=text,
    )


def many_files_report(count: int) -> Report:
    """A repository of `count` files, one pickle-present finding each."""
    inspections = [inspected(f"shards/part-{i:06}.bin", Format.PICKLE) for i in range(count)]
    findings = [Finding.of(PRESENT_RULE, "a safer format exists", inspection.file.at()) for inspection in inspections]
    return make_report(inspections=inspections, findings=findings)

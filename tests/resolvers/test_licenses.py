"""What a repository says about its license, and what follows from its lineage, becomes claims and findings."""

from __future__ import annotations

import json

import pytest
from tests.resolvers.license_samples import agreement, apache, mit
from tests.resolvers.targets import resolution, said, weights

from aibom.components import Component, Resolution
from aibom.report import SourceFacts
from aibom.settings import Profile

CONFIG = {"config.json": json.dumps({"model_type": "llama"})}
ABOUT_LICENSES = ("license", "notice", "name", "territory", "threshold", "dataset", "share")


def card(**fields: object) -> dict[str, str]:
    lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items())
    return {**CONFIG, "README.md": f"---\n{lines}---\n"}


def root(result: Resolution) -> Component:
    return result.component(result.root)


def findings(result: Resolution) -> list[tuple[str, str]]:
    return said([finding for finding in result.findings if finding.rule.id.startswith(ABOUT_LICENSES)])


def claims(result: Resolution) -> list[tuple[str, str | None, str]]:
    return [(claim.basis, claim.expression, claim.scope.value) for claim in root(result).licenses]


def test_declared_and_detected_agree() -> None:
    """A declared license whose text is there is concluded, and nothing is wrong."""
    result = resolution({**card(license="apache-2.0"), "LICENSE": apache()})
    assert [
        ("declared", "Apache-2.0", "weights"),
        ("detected", "Apache-2.0", "weights"),
        ("concluded", "Apache-2.0", "weights"),
    ] == claims(result)  # fmt: skip
    assert [] == findings(result)
    assert "Apache-2.0" == root(result).properties["aibom:license:effective"]


def test_a_declared_license_without_text_is_not_concluded() -> None:
    """Without the text there is a declaration and a small finding."""
    result = resolution(card(license="mit"))
    assert [("declared", "MIT", "weights")] == claims(result)
    assert [("license-missing-text", "low")] == findings(result)


def test_a_license_that_asks_for_no_copy_needs_no_text() -> None:
    """CC0 asks for nothing."""
    assert [] == findings(resolution(card(license="cc0-1.0")))


def test_a_card_and_a_file_that_differ_are_a_finding() -> None:
    """Another text than the declared one is a disagreement, with both places."""
    result = resolution({**card(license="apache-2.0"), "LICENSE": mit()})
    assert ("license-disagreement", "medium") in findings(result)
    (finding,) = [item for item in result.findings if item.rule.id == "license-disagreement"]
    assert finding.message == "README.md:2 says Apache-2.0, LICENSE:1 says MIT"


def test_a_license_text_with_terms_of_its_own_is_a_finding() -> None:
    """MIT with a revenue limit is not the MIT that the card declares."""
    result = resolution({**card(license="mit"), "LICENSE": mit() + "\nNo use above a revenue of 20 million.\n"})
    assert [("license-disagreement", "medium")] == findings(result)
    assert ("concluded", "MIT", "weights") not in claims(result)


def test_a_text_that_is_not_the_declared_one_is_a_finding() -> None:
    """Terms that nobody knows under a license whose text is known: the declaration is not what stands in the file."""
    result = resolution({**card(license="llama3.1"), "LICENSE": agreement("Terms of Acme")})
    (finding,) = [item for item in result.findings if item.rule.id == "license-disagreement"]
    assert ("medium", "LICENSE") == (finding.severity.value, finding.location.path if finding.location else "")
    assert finding.message.startswith("the text is not that of Llama 3.1 Community License Agreement, which is")


def test_a_declared_text_that_lacks_a_part_is_said_to_differ() -> None:
    """A copy without its end differs from the declared text, and is no text of another license."""
    words = mit().split()
    result = resolution({**card(license="mit"), "LICENSE": " ".join(words[: len(words) - 25])})
    assert [("license-disagreement", "low")] == findings(result)


def test_a_short_file_or_a_text_without_a_print_contradicts_nothing() -> None:
    """A pointer to terms is no other license, and of a license whose text is not known nothing is compared."""
    assert "license-disagreement" not in dict(findings(resolution({**card(license="mit"), "LICENSE": "see README"})))
    other = {**card(license="exaone"), "LICENSE": agreement("x")}
    assert "license-disagreement" not in dict(findings(resolution(other)))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (
            "The model is released under the [Falcon-180B TII License](https://example.org/l) and a policy.",
            "falcon-180b",
        ),
        ("It is governed under the **Llama 3.1 Community License**.", "llama3.1"),
        ("Use of it is under the Apache License, Version 2.0, as is the code.", "apache-2.0"),
        ("It is under a license of our own.", None),
        ("Read the terms.", None),
    ],
)
def test_a_section_on_the_license_is_read_where_no_field_says_more(text: str, key: str | None) -> None:
    """Words are the weakest claim: they count only where nothing else names a license, with their line."""
    readme = f"---\nlicense: unknown\n---\n# Model\n\n## License\n\n{text}\n"
    found = [claim for claim in root(resolution({"README.md": readme})).licenses if claim.expression]
    assert ([key] if key else []) == [claim.key for claim in found]
    assert all(claim.evidence.location and claim.evidence.location.line == 8 for claim in found)
    declared = readme.replace("unknown", "mit")
    assert ["mit"] == [claim.key for claim in root(resolution({"README.md": declared})).licenses]


def test_a_publisher_owes_no_notice_to_himself() -> None:
    """Meta's own repository, and a fine-tune by the owner of its base, need no notice file; a copy by another does."""
    meta = SourceFacts(kind="hub", identity="meta-llama/Llama-3.1-8B")
    copy = SourceFacts(kind="hub", identity="NousResearch/Meta-Llama-3.1-8B")
    files = card(license="llama3.1")
    assert "notice-missing" not in dict(findings(resolution(files, facts=meta)))
    assert "notice-missing" in dict(findings(resolution(files, facts=copy)))
    tuned = card(license="llama3.1", base_model="meta-llama/Llama-3.1-8B")
    assert "notice-missing" not in dict(
        findings(resolution(tuned, facts=SourceFacts(kind="hub", identity="meta-llama/Llama-3.1-8B-Instruct")))
    )


def test_a_target_known_to_come_from_llama_is_laundered() -> None:
    """A card that names its base in no field hides nothing where the model itself is known."""
    facts = SourceFacts(kind="hub", identity="deepseek-ai/DeepSeek-R1-Distill-Llama-8B")
    assert "license-laundered" in dict(findings(resolution({**card(license="mit"), "LICENSE": mit()}, facts=facts)))


def test_the_gnu_text_leaves_the_declaration_to_decide() -> None:
    """A list of two licenses is no disagreement with itself."""
    result = resolution(card(license=["mit", "apache-2.0"]))
    assert [("license-missing-text", "low")] == findings(result)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "acme-chat states no license"),
        ({"license": "other"}, "'other' names no one license"),
        ({"license": "openrail"}, "'openrail' names no one license"),
        ({"license": "other", "license_name": "modified-mit"}, "'modified-mit' names no one license: it may be "),
        ({"license": "unknown"}, "'unknown' names no one license"),
    ],
)
def test_what_names_no_license_is_undetermined(fields: dict[str, object], message: str) -> None:
    """No license, a family, a shared name: nobody can tell."""
    result = resolution(card(**fields))
    (finding,) = [item for item in result.findings if item.rule.id == "license-undetermined"]
    assert finding.message.startswith(message)


def test_a_file_nobody_knows_is_named() -> None:
    """A license file of unknown words, or a PDF, is named as the place to read."""
    result = resolution({**CONFIG, "LICENSE": "You may look at it. " * 60})
    assert "is only in LICENSE" in result.findings[0].message or any(
        "only in LICENSE" in item.message for item in result.findings
    )
    result = resolution({**CONFIG, "LICENSE.pdf": "%PDF"})
    assert any("is only in LICENSE.pdf, which is not read" in item.message for item in result.findings)


def test_a_name_and_a_link_say_which_other_license() -> None:
    """`license: other` with a clear name is that license, with its link."""
    result = resolution(card(license="other", license_name="llama-3", license_link="https://example.org/terms"))
    (claim,) = root(result).licenses
    assert ("llama3", "https://example.org/terms") == (claim.key, claim.url)


def test_metadata_of_weights_is_a_claim() -> None:
    """GGUF, safetensors and ONNX carry a license; `other` takes its name."""
    keys = {"": "other", ".name": "gemma", ".link": "https://example.org"}
    metadata = {"general.architecture": "x", **{f"general.license{key}": value for key, value in keys.items()}}
    gguf = weights("m.gguf", {"a": (2,)}, metadata=metadata)
    (claim,) = root(resolution({}, [gguf])).licenses
    assert ("gemma", "https://example.org") == (claim.key, claim.url)
    lora = weights("l.safetensors", {"a": (2,)}, metadata={"modelspec.license": "CreativeML Open RAIL-M"})
    (claim,) = root(resolution({}, [lora])).licenses
    assert ("CreativeML Open RAIL-M", "creativeml-openrail-m") == (claim.raw, claim.key)
    onnx = weights("m.onnx", {"a": (2,)}, metadata={"metadata.license": "mit"})
    assert [("declared", "MIT", "weights")] == claims(resolution({}, [onnx]))


def test_a_card_and_metadata_that_differ_are_a_finding() -> None:
    """The GGUF says llama, the card says apache."""
    gguf = weights("m.gguf", {"a": (2,)}, metadata={"general.architecture": "x", "general.license": "llama3"})
    assert ("license-disagreement", "medium") in findings(resolution(card(license="apache-2.0"), [gguf]))


def test_configurations_and_the_hub_are_claims() -> None:
    """timm's configuration, a Kitfile, a pyproject and the hub's own entry are kept as claims."""
    files = {
        "config.json": json.dumps({"architecture": "x", "num_classes": 2, "pretrained_cfg": {"license": "mit"}}),
        "pyproject.toml": '[project]\nlicense = {text = "agpl-3.0"}\n',
        "Kitfile": "package:\n  license: MIT\nmodel:\n  license: mit\n",
    }
    result = resolution(files, facts=SourceFacts(kind="hub", claims={"license": "mit"}))
    assert {("weights", "MIT"), ("code", "AGPL-3.0-only OR AGPL-3.0-or-later")} == {
        (claim.scope.value, claim.expression) for claim in root(result).licenses
    }
    assert any(claim.evidence.source == "hub" for claim in root(result).licenses)
    assert [("license-missing-text", "low")] == findings(result)
    packed = resolution({"a": ""}, facts=SourceFacts(kind="oci-layout", claims={"descriptor.licenses": "MIT, gemma"}))
    assert ["mit", "gemma"] == [claim.key for claim in root(packed).licenses]
    assert [("code", "MIT")] == [
        (claim.scope.value, claim.expression)
        for claim in root(resolution({"pyproject.toml": '[project]\nlicense = "MIT"\n'})).licenses
    ]


def test_files_have_scopes() -> None:
    """A license of the model, of the code and of the data stand for what their names say."""
    files = {
        **card(license="mit"),
        "MODEL_LICENSE": mit(),
        "LICENSE": apache(),
        "LICENSE-DATA": mit(),
        "LICENSE-CODE": apache(),
    }
    result = resolution(files)
    assert {
        ("weights", "MIT"), ("code", "Apache-2.0"), ("data", "MIT"),
    } == {(scope, expression) for basis, expression, scope in claims(result) if basis == "detected"}  # fmt: skip
    assert [] == findings(result)


def test_licenses_in_their_own_folder_are_found() -> None:
    """A LICENSES folder is read as well."""
    assert ("detected", "MIT", "weights") in claims(
        resolution({**card(license="mit"), "LICENSES/LICENSE-MIT.txt": mit()})
    )


@pytest.mark.parametrize(
    ("declared", "base", "expected"),
    [
        ("apache-2.0", "meta-llama/Llama-3.1-8B", ("license-laundered", "high")),
        ("cc-by-nc-4.0", "meta-llama/Llama-3.1-8B", ("license-dropped", "medium")),
        ("apache-2.0", "google/gemma-2-2b", ("license-laundered", "high")),
        ("mit", "Qwen/Qwen2.5-3B", ("license-laundered", "high")),
        ("apache-2.0", "nobody/nothing", ("license-undetermined", "low")),
    ],
)
def test_terms_of_known_bases_are_held_against_the_card(declared: str, base: str, expected: tuple[str, str]) -> None:
    """What is known of a base without a network decides, with the path as evidence."""
    result = resolution({**card(license=declared, base_model=base), "LICENSE": mit()})
    assert expected in findings(result)
    finding = next(item for item in result.findings if item.rule.id == expected[0])
    assert f"{base} → acme-chat" in finding.evidence
    assert str(finding.location) == "README.md:2"


def test_relicensed_families_are_told_apart_by_name() -> None:
    """Gemma 4 is not under Gemma's terms, Qwen2.5-7B not under Qwen's research license."""
    for base in ("google/gemma-4-9b", "Qwen/Qwen2.5-7B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"):
        result = resolution({**card(license="apache-2.0", base_model=base), "LICENSE": apache()})
        assert not any(severity == "high" for _, severity in findings(result))


def test_a_distilled_llama_keeps_its_grandparents_terms() -> None:
    """A model declared MIT on a base declared MIT that came from Llama is laundered, over three steps."""
    result = resolution(
        {**card(license="mit", base_model="deepseek-ai/DeepSeek-R1-Distill-Llama-8B"), "LICENSE": mit()}
    )
    assert ("license-laundered", "high") in findings(result)
    assert "aibom:license:conflict" in root(result).properties


def adapter(base: str) -> dict[str, str]:
    return {"adapter_config.json": json.dumps({"peft_type": "LORA", "base_model_name_or_path": base})}


def test_an_adapter_on_gemma_keeps_its_terms_in_use() -> None:
    """An adapter may be under its own license; what it is loaded with applies."""
    result = resolution(
        {**adapter("google/gemma-2-2b"), "README.md": "---\nlicense: apache-2.0\n---\n", "LICENSE": apache()}
    )
    assert {("license-dropped", "medium"), ("notice-missing", "low")} == set(findings(result))


def test_duties_are_checked_in_the_files() -> None:
    """Llama's notice file and name prefix are looked for; a model named accordingly fulfils them."""
    files = {**card(license="llama3.1", base_model="meta-llama/Llama-3.1-8B"), "LICENSE": "see the base"}
    named = SourceFacts(kind="hub", identity="acme/chat")
    assert {("notice-missing", "low"), ("name-prefix-missing", "low"), ("threshold", "info")} == set(
        findings(resolution(files, facts=named))
    )
    files["NOTICE"] = "Llama 3.1 is licensed under ..."
    good = SourceFacts(kind="hub", identity="acme/Llama-3.1-8B-acme")
    assert [("threshold", "info")] == findings(resolution(files, facts=good))


def test_a_directory_of_another_name_is_no_breach() -> None:
    """Only a published name can break a naming duty."""
    files = {**card(license="llama3.1", base_model="meta-llama/Llama-3.1-8B"), "LICENSE": "x", "NOTICE": "y"}
    assert "name-prefix-missing" not in {rule for rule, _ in findings(resolution(files))}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (Profile(commercial=True), ("license-use-forbidden", "high")),
        (Profile(commercial=False), None),
        (Profile(), None),
    ],
)
def test_commercial_use_is_answered(profile: Profile, expected: tuple[str, str] | None) -> None:
    """A commercial profile runs into a non-commercial license."""
    found = findings(resolution({**card(license="cc-by-nc-4.0"), "LICENSE": "x"}, profile=profile))
    assert [expected] == found if expected else found == []


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (Profile(), [("threshold", "info")]),
        (Profile(users=1_000_000), []),
        (Profile(users=800_000_000), [("threshold", "high")]),
        (Profile(commercial=False), []),
    ],
)
def test_thresholds_are_answered(profile: Profile, expected: list[tuple[str, str]]) -> None:
    """With the user's numbers a threshold is passed or met."""
    assert expected == findings(resolution({**card(license="llama2"), "LICENSE": "x", "NOTICE": "y"}, profile=profile))


def test_a_credit_above_a_threshold_is_small() -> None:
    """Where only a credit is due, the rights stay."""
    files = {**card(license="kimi-k2-modified-mit"), "LICENSE": "x"}
    assert [("threshold", "low")] == findings(resolution(files, profile=Profile(users=10**9, revenue=1)))
    assert [] == findings(resolution(files))


def test_who_does_not_host_need_not_ask() -> None:
    """A threshold for hosting businesses does not concern others."""
    files = {**card(license="other", license_name="qwen3.8-max"), "LICENSE": "x"}
    assert [("threshold", "info")] == findings(resolution(files))
    assert [] == findings(resolution(files, profile=Profile(hosts=False)))


def test_training_others_is_answered() -> None:
    """A profile that trains other models runs into a license that forbids it."""
    found = findings(
        resolution({**card(license="llama2"), "LICENSE": "x", "NOTICE": "y"}, profile=Profile(trains_others=True))
    )
    assert ("license-use-forbidden", "high") in found


@pytest.mark.parametrize(
    ("license_", "architecture", "region", "expected"),
    [
        ("llama4", "Llama4ForConditionalGeneration", None, "medium"),
        ("llama4", "Llama4ForConditionalGeneration", "DE", "high"),
        ("llama4", "Llama4ForConditionalGeneration", "US", None),
        ("llama3.2", "LlamaForCausalLM", "EU", None),
        ("llama3.2", "MllamaForConditionalGeneration", "EU", "high"),
        ("tencent-hunyuan-community", "X", "KR", "high"),
        ("tencent-hunyuan-community", "X", "CN", None),
    ],
)
def test_territories_are_answered(license_: str, architecture: str, region: str | None, expected: str | None) -> None:
    """Excluded territories depend on the model and on the user's region."""
    files = {**card(license=license_), "config.json": json.dumps({"architectures": [architecture]}), "LICENSE": "x"}
    files["README.md"] = (
        f"---\nlicense: other\nlicense_name: {license_}\n---\n" if "-" in license_ else files["README.md"]
    )
    found = dict(findings(resolution(files, profile=Profile(region=region))))
    assert expected == found.get("territory-excluded")


def test_licenses_of_data_are_a_risk() -> None:
    """Training on non-commercial data under a permissive declaration is named, low."""
    result = resolution(
        {**card(license="apache-2.0", datasets=["tatsu-lab/alpaca", "allenai/c4"]), "LICENSE": apache()}
    )
    assert [("dataset-license", "low")] == findings(result)
    dataset = result.component("dataset:tatsu-lab/alpaca")
    assert [("CC-BY-NC-4.0", "data")] == [(claim.expression, claim.scope.value) for claim in dataset.licenses]


def test_merging_share_alike_with_noncommercial_clashes() -> None:
    """Bases that each set terms for the whole can't be merged."""
    files = card(license="agpl-3.0", base_model=["Ultralytics/YOLO11", "facebook/musicgen-small"])
    found = findings(resolution({**files, "LICENSE": "x"}))
    assert ("share-alike-clash", "high") in found


def test_inferred_lineage_makes_no_finding() -> None:
    """A name in the configuration is a hint: it leads to a review and to no accusation."""
    files = {"config.json": json.dumps({"model_type": "llama", "_name_or_path": "meta-llama/Llama-3.1-8B"})}
    result = resolution({**files, "README.md": "---\nlicense: mit\n---\n", "LICENSE": mit()})
    assert [] == findings(result)
    assert "review" == root(result).properties["aibom:license:verdict"]


def test_code_under_another_license_is_a_duty() -> None:
    """AGPL code beside Apache weights is no conflict of the weights."""
    result = resolution(
        {**card(license="apache-2.0"), "LICENSE": apache(), "pyproject.toml": '[project]\nlicense = "AGPL-3.0-only"\n'}
    )
    assert [] == findings(result)
    assert "duty" == root(result).properties["aibom:license:verdict"]


LLAMA_POLICY = (
    "With respect to any multimodal models, the rights granted are not being granted to you if you are\n"
    "an individual domiciled in the European Union."
)


@pytest.mark.parametrize(
    ("files", "fields", "region", "expected"),
    [
        ({"USE_POLICY.md": LLAMA_POLICY}, {}, None, [("territory-excluded", "medium")]),
        ({"USE_POLICY.md": LLAMA_POLICY}, {}, "FR", [("territory-excluded", "high")]),
        ({"USE_POLICY.md": LLAMA_POLICY}, {}, "US", []),
        ({"USE_POLICY.md": "Be kind. Also in the European Union."}, {}, None, []),
        ({}, {"extra_gated_eu_disallowed": True}, None, [("territory-excluded", "medium")]),
        ({}, {"extra_gated_eu_disallowed": False}, None, []),
    ],
)
def test_gates_and_policies_shut_out_territories(
    files: dict[str, str], fields: dict[str, object], region: str | None, expected: list[tuple[str, str]]
) -> None:
    """A limit to a territory may stand beside the license: in a use policy, or in the gate of the hub."""
    target = {**card(license="mit", **fields), "LICENSE": mit(), **files}
    assert expected == findings(resolution(target, profile=Profile(region=region)))


def test_the_text_in_a_gate_is_a_license_text() -> None:
    """What must be accepted before a download is recognised like a file."""
    result = resolution(card(license="other", extra_gated_prompt=mit()))
    assert ("detected", "MIT", "weights") in claims(result)
    assert [] == [
        claim
        for claim in claims(resolution(card(extra_gated_prompt="Please share your name")))
        if claim[0] == "detected"
    ]

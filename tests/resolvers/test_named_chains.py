"""The chains that auditors ask about, as repositories: what is found, and along which path."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from tests.resolvers.license_samples import agreement, apache
from tests.resolvers.targets import memory, resolution, weights

from aibom.components import Inspection, Resolution, Scalar
from aibom.settings import Profile
from aibom.sources.protocol import Source

TERMS = frozenset({
    "license-conflict", "license-laundered", "license-dropped", "share-alike-clash", "dataset-license",
    "license-undetermined", "license-disagreement", "territory-excluded",
})  # fmt: skip
OLD = "0123456789abcdef0123456789abcdef01234567"


def card(*lines: str) -> str:
    return "\n".join(["---", *lines, "---", "# A model", ""])


def config(kind: str) -> dict[str, str]:
    return {"config.json": json.dumps({"model_type": kind})}


def gguf(**metadata: Scalar) -> Inspection:
    keys = {name.replace("__", "."): value for name, value in metadata.items()}
    return weights("m.gguf", {"a": (2,)}, metadata={"general.architecture": "qwen2", **keys})


@dataclass(frozen=True)
class Named:
    """A repository, what else is known (`related`: targets that may be opened), and what must come of it."""

    about: str
    files: dict[str, str]
    verdict: str
    findings: dict[str, tuple[str, str | None]]
    """Rule to severity and path; the path is None where the finding follows none."""
    inspections: tuple[Inspection, ...] = ()
    related: dict[str, dict[str, str]] = field(default_factory=dict)
    profile: Profile = field(default_factory=Profile)


CASES = (
    Named(
        "a fine-tune of Llama 3.1 declared apache-2.0",
        {"README.md": card("license: apache-2.0", "base_model: meta-llama/Llama-3.1-8B"), "LICENSE": apache()},
        "conflict",
        {"license-laundered": ("high", "meta-llama/Llama-3.1-8B → acme-chat")},
    ),
    Named(
        "an adapter on Gemma declared apache-2.0",
        {
            "adapter_config.json": json.dumps({"peft_type": "LORA", "base_model_name_or_path": "google/gemma-2-2b"}),
            "README.md": card("license: apache-2.0"),
        },
        "review",
        {"license-dropped": ("medium", "google/gemma-2-2b → acme-chat")},
    ),
    Named(
        "a merge of apache, cc-by-nc and llama declared apache-2.0",
        {
            "README.md": card("license: apache-2.0"),
            "mergekit_config.yml": (
                "models:\n- model: mistralai/Mistral-7B-v0.1\n- model: acme/nc\n- model: meta-llama/Meta-Llama-3-8B\n"
            ),
        },
        "conflict",
        {"license-laundered": ("high", "acme/nc → acme-chat | meta-llama/Meta-Llama-3-8B → acme-chat")},
        related={"hf://acme/nc": {"README.md": card("license: cc-by-nc-4.0")}},
    ),
    Named(
        "a GGUF of Qwen with the license `other` by name",
        {"README.md": card("license: other", "license_name: qwen-research", "base_model: Qwen/Qwen2.5-3B-Instruct")},
        "duty",
        {},
        inspections=(gguf(general__license="other", general__license__name="qwen-research", general__file_type=15),),
    ),
    Named(
        "a GGUF of Qwen with the license `other` and no name",
        {"README.md": card("license: other", "base_model: Qwen/Qwen2.5-3B-Instruct")},
        "review",
        {"license-undetermined": ("medium", None)},
        inspections=(gguf(general__license="other", general__file_type=15),),
    ),
    Named(
        "three steps of which the middle one drops the terms",
        {"README.md": card("license: apache-2.0", "base_model: acme/middle", "base_model_relation: quantized")},
        "conflict",
        {"license-laundered": ("high", "meta-llama/Llama-3.1-8B → acme/middle → acme-chat")},
        related={"hf://acme/middle": {"README.md": card("license: apache-2.0", "base_model: meta-llama/Llama-3.1-8B")}},
    ),
    Named(
        "a parent under a RAIL license",
        {"README.md": card("license: mit", "base_model: stable-diffusion-v1-5/stable-diffusion-v1-5")},
        "conflict",
        {"license-laundered": ("high", "stable-diffusion-v1-5/stable-diffusion-v1-5 → acme-chat")},
    ),
    Named(
        "code under the AGPL beside weights under Apache",
        {
            "README.md": card("license: apache-2.0"),
            "LICENSE-MODEL": apache(),
            "pyproject.toml": '[project]\nlicense = "AGPL-3.0-only"\n',
        },
        "duty",
        {},
    ),
    Named(
        "trained on data for non-commercial use",
        {"README.md": card("license: apache-2.0", "datasets:", "- tatsu-lab/alpaca")},
        "review",
        {"dataset-license": ("low", "tatsu-lab/alpaca → acme-chat")},
    ),
    Named(
        "a parent of which nobody knows the license",
        {"README.md": card("license: mit", "base_model: nobody/nothing")},
        "review",
        {"license-undetermined": ("low", "nobody/nothing → acme-chat")},
    ),
    Named(
        "Llama 4, whose multimodal models are not licensed in the EU, used in Germany",
        {
            "README.md": card("license: llama4", "base_model: meta-llama/Llama-4-Scout-17B-16E-Instruct"),
            **config("llama4"),
        },
        "duty",
        {"territory-excluded": ("high", None)},
        profile=Profile(region="DE"),
    ),
    Named(
        "a text model of Llama 3.2, which the exclusion does not reach",
        {"README.md": card("license: llama3.2", "base_model: meta-llama/Llama-3.2-1B"), **config("llama")},
        "duty",
        {},
        profile=Profile(region="DE"),
    ),
    Named(
        "a family that was licensed anew, by its name: the generation before",
        {"README.md": card("license: apache-2.0", "base_model: google/gemma-3-4b-it")},
        "conflict",
        {"license-laundered": ("high", "google/gemma-3-4b-it → acme-chat")},
    ),
    Named(
        "a family that was licensed anew, by its name: the generation after",
        {"README.md": card("license: apache-2.0", "base_model: google/gemma-4-12b")},
        "duty",
        {},
    ),
    Named(
        "a family that was licensed anew: the card of the base as it is now",
        {"README.md": card("license: mit", "base_model: microsoft/phi-2")},
        "duty",
        {},
        related={"hf://microsoft/phi-2": {"README.md": card("license: mit")}},
    ),
    Named(
        "a family that was licensed anew: the base at the commit before",
        {"README.md": card("license: mit", f"base_model: microsoft/phi-2@{OLD}")},
        "conflict",
        {"license-conflict": ("high", "microsoft/phi-2 → acme-chat")},
        related={
            "hf://microsoft/phi-2": {"README.md": card("license: mit")},
            f"hf://microsoft/phi-2@{OLD}": {
                "README.md": card("license: other", "license_name: microsoft-research-license")
            },
        },
    ),
    Named(
        "a license file that is not the text of the license on the card",
        {"README.md": card("license: apache-2.0"), "LICENSE": agreement("Terms of Acme")},
        "duty",
        {"license-disagreement": ("medium", None)},
    ),
)


def resolve(case: Named) -> Resolution:
    def related(target: str) -> Source | None:
        files = case.related.get(target)
        return memory(files, target=target) if files is not None else None

    return resolution(case.files, case.inspections, open_related=related, profile=case.profile)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
def test_named_chains(case: Named) -> None:
    """A repository as found in the wild has this verdict, these findings and no others, along these paths."""
    result = resolve(case)
    found: dict[str, tuple[str, str | None]] = {}
    for item in result.findings:
        if item.rule.id in TERMS:
            path = next((word for word in item.evidence if " → " in word), None)
            before = found.get(item.rule.id)
            paths = " | ".join(sorted(filter(None, (before[1] if before else None, path)))) or None
            found[item.rule.id] = (item.severity.value, paths)
    properties = result.component(result.root).properties
    assert (case.verdict, case.findings) == (properties["aibom:license:verdict"], found)

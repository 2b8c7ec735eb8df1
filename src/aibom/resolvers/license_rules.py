"""The rules about licenses: what stands in the way of using a model, and what is missing to know."""

from __future__ import annotations

from collections.abc import Mapping

from aibom.findings import Rule, Severity, Subject

LICENSE_UNDETERMINED = Rule(
    id="license-undetermined",
    subject=Subject.TERMS,
    severity=Severity.MEDIUM,
    summary="Nobody can tell under which license this is",
    explanation=(
        "No license is stated, or what is stated names none that is known (`other`, a family without a version, a name "
        "that several licenses share), and no license text was recognized. Without a license there is no right to use."
    ),
    help="Ask the publisher for the license text. Until then treat the model as all rights reserved.",
    references=("https://huggingface.co/docs/hub/repositories-licenses",),
)
LICENSE_DISAGREEMENT = Rule(
    id="license-disagreement",
    subject=Subject.TERMS,
    severity=Severity.MEDIUM,
    summary="The statements about the license differ",
    explanation=(
        "Card, license file and file metadata name different licenses, or the license file is not the text of the "
        "license that is declared. Only one of them can be meant."
    ),
    help="Read the license file; it usually binds. Ask the publisher to correct the others.",
)
LICENSE_MISSING_TEXT = Rule(
    id="license-missing-text",
    subject=Subject.TERMS,
    severity=Severity.LOW,
    summary="The license text is not in the repository",
    explanation=(
        "A license is declared, its text is not included. Most licenses ask that a copy goes along with every copy of "
        "the work, so passing this repository on as it is breaks that condition."
    ),
    help="Add the full license text as LICENSE.",
    references=("https://arxiv.org/abs/2602.08816",),
)
NOTICE_MISSING = Rule(
    id="notice-missing",
    subject=Subject.TERMS,
    severity=Severity.LOW,
    summary="A notice that the license asks for is missing",
    explanation=(
        "A license that applies, its own or that of a base model, asks for a file with a set notice in every copy. "
        "There is no such file."
    ),
    help="Add a NOTICE file with the sentence that the license prescribes.",
)
NAME_PREFIX_MISSING = Rule(
    id="name-prefix-missing",
    subject=Subject.TERMS,
    severity=Severity.LOW,
    summary="The name does not start as the base's license asks",
    explanation="The license of a base model asks that the names of models made from it start with a given word.",
    help="Rename the model, or ask whether the license applies to it.",
)
LICENSE_CONFLICT = Rule(
    id="license-conflict",
    subject=Subject.TERMS,
    severity=Severity.HIGH,
    summary="The license and that of a base model can't both hold",
    explanation=(
        "A base model's license forbids what was done with it, or asks for terms that the declared license does not "
        "allow. Whoever uses the model relies on a right that nobody could give."
    ),
    help="A derived model keeps its base's terms. Ask the publisher, or start from a base whose license allows it.",
)
LICENSE_LAUNDERED = Rule(
    id="license-laundered",
    subject=Subject.TERMS,
    severity=Severity.HIGH,
    summary="Declared more permissive than the base model allows",
    explanation=(
        "The declared license leaves out limits that the license of a base model puts on everything made from it. The "
        "base's terms still apply; who trusts the declaration breaks them without knowing."
    ),
    help="Treat the base's terms as binding. Ask the publisher to declare the base's license.",
    references=("https://arxiv.org/abs/2508.06811", "https://arxiv.org/abs/2509.09873"),
)
LICENSE_DROPPED = Rule(
    id="license-dropped",
    subject=Subject.TERMS,
    severity=Severity.MEDIUM,
    summary="Terms of a base model are missing in the declaration",
    explanation=(
        "A base model's license puts terms on what is made from it or used with it, which the declared license does "
        "not hold. It may be stricter elsewhere; these terms apply beside it."
    ),
    help="Keep both licenses: comply with the base's terms as well, and say so in the card.",
    references=("https://arxiv.org/abs/2509.09873",),
)
SHARE_ALIKE_CLASH = Rule(
    id="share-alike-clash",
    subject=Subject.TERMS,
    severity=Severity.HIGH,
    summary="Two parents' licenses each want the whole under themselves",
    explanation=(
        "One parent is under a license that allows derivatives only under itself and without further limits; another "
        "parent asks for its own license, or sets limits. No license for the merged model can satisfy both."
    ),
    help="Merge only models whose licenses fit, or ask one of the owners for another license.",
)
DATASET_LICENSE = Rule(
    id="dataset-license",
    subject=Subject.TERMS,
    severity=Severity.LOW,
    summary="A dataset's license may reach the model",
    explanation=(
        "The model was trained on data under a non-commercial, research-only, no-derivatives or share-alike license, "
        "and declares more than that. Whether a data license reaches the weights is disputed; the risk is not."
    ),
    help="Let a lawyer decide for your use, or ask the publisher which permission they have.",
)
TERRITORY_EXCLUDED = Rule(
    id="territory-excluded",
    subject=Subject.TERMS,
    severity=Severity.MEDIUM,
    summary="The license excludes a territory",
    explanation="The license, or the use policy in it, gives no rights to people or companies of some countries.",
    help="Do not use the model where it is not licensed. State `region` in the profile to get an answer for yours.",
)
THRESHOLD = Rule(
    id="threshold",
    subject=Subject.TERMS,
    severity=Severity.INFO,
    summary="Above a size the license asks for more",
    explanation="Above a number of users or an amount of revenue the license ends, or asks for another agreement.",
    help="State `users` and `revenue` in the profile to get an answer; above the threshold, ask the licensor.",
)
LICENSE_USE_FORBIDDEN = Rule(
    id="license-use-forbidden",
    subject=Subject.TERMS,
    severity=Severity.HIGH,
    summary="The license does not allow what the profile says",
    explanation=(
        "The profile says that the model is used commercially, or to train other models. The license of the model, or "
        "of what it was made from, forbids that."
    ),
    help="Do not use the model so without an agreement with the licensor.",
)

BY_ID: Mapping[str, Rule] = {
    rule.id: rule
    for rule in (
        LICENSE_UNDETERMINED, LICENSE_DISAGREEMENT, LICENSE_MISSING_TEXT, NOTICE_MISSING, NAME_PREFIX_MISSING,
        LICENSE_CONFLICT, LICENSE_LAUNDERED, LICENSE_DROPPED, SHARE_ALIKE_CLASH, DATASET_LICENSE, TERRITORY_EXCLUDED,
        THRESHOLD, LICENSE_USE_FORBIDDEN,
    )
}  # fmt: skip
RULES = tuple(BY_ID.values())

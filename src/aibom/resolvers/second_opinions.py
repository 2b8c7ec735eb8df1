"""Compare what ScanCode reads in license files with what this tool reads there: a layer of its own, never a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from aibom.components import LicenseClaim
from aibom.files import Location
from aibom.findings import Evidence, Finding, Rule, Severity, Subject
from aibom.resolvers.license_claims import Terms
from aibom.resolvers.license_files import LicenseFile
from aibom.resolvers.license_names import keys_of, read_name
from aibom.resolvers.scancode import Answer, ask_scancode

LICENSE_SECOND_OPINION = Rule(
    id="license-second-opinion",
    subject=Subject.TERMS,
    severity=Severity.LOW,
    summary="ScanCode reads a license text differently",
    explanation=(
        "ScanCode was asked as a second reader, and names another license than this tool, or, where this tool "
        "abstains, another than the one that is declared. Of texts that differ in a few words or a date, such as the "
        "versions of one publisher's agreement, one of the two readers may take one for the other."
    ),
    help="Read the file, above all its title and date, and keep to what stands there.",
    references=("https://github.com/aboutcode-org/scancode-toolkit",),
)
SECOND_OPINION_MISSING = Rule(
    id="second-opinion-missing",
    subject=Subject.TERMS,
    severity=Severity.LOW,
    summary="The second opinion that was asked for is missing",
    explanation=(
        "ScanCode was to read the license files as well and did not get through: it is not installed, took too long or "
        "needed too much memory. What this tool reads in them stands, without a second reader."
    ),
    help="Install `aibom[scancode]`; ScanCode needs about 1.5 GiB of memory and, at its start, several seconds.",
)

# Words for what ScanCode could not tell: no opinion on which license a text is.
_VAGUE = ("unknown", "proprietary-license", "generic", "other-permissive", "other-copyleft", "commercial-license",
          "warranty-disclaimer", "public-domain", "see-license")  # fmt: skip


class SecondOpinions(Struct, frozen=True, kw_only=True):
    """What a second reader says of license files, by their place; empty where none was asked."""

    claims: Mapping[Location, tuple[LicenseClaim, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def of(self, terms: Terms) -> tuple[LicenseClaim, ...]:
        """Return the second reader's claims about the license files of one model."""
        return tuple(claim for file in terms.files for claim in self.claims.get(file.place, ()))

    def disagreements(self, terms: Terms) -> Iterator[Finding]:
        """Yield where the second reader and this tool, or the declaration, name licenses with none in common."""
        declared = {key for claim in terms.claims if claim.basis == "declared" for key in _ids(claim.expression)}
        for file in terms.files:
            theirs = {key: claim for claim in self.claims.get(file.place, ()) for key in _ids(claim.expression)}
            sure = {key: claim for key, claim in theirs.items() if not any(word in key for word in _VAGUE)}
            ours = {key for item in _recognized(file) for key in _ids(item)}
            other = ours or declared
            if sure and other and not other & set(sure):
                how = "this tool reads" if ours else "the declaration says"
                said = next(iter(sure.values()))
                message = f"{how} {' and '.join(sorted(other))}; {said.evidence.source}: {said.evidence.statement}"
                yield Finding.of(LICENSE_SECOND_OPINION, message, file.place)


def ask_second_reader(
    files: Sequence[LicenseFile], ask: Callable[[Sequence[str]], Answer] = ask_scancode
) -> SecondOpinions:
    """Let ScanCode read these license files, all in one process."""
    distinct = {file.place: file for file in files}
    if not distinct:
        return SecondOpinions()
    answer = ask([file.text.text for file in distinct.values()])
    claims = {
        file.place: tuple(_claims(file, opinion.licenses, answer.who))
        for file, opinion in zip(distinct.values(), answer.opinions, strict=False)
    }
    findings: tuple[Finding, ...] = ()
    if answer.fault is not None:
        unread = [file.path for file in list(distinct.values())[len(answer.opinions) :]]
        message = f"ScanCode gave no opinion on {', '.join(unread[:5]) or 'the license files'}: {answer.fault}"
        findings = (Finding.of(SECOND_OPINION_MISSING, message),)
    return SecondOpinions(claims=claims, findings=findings)


def _claims(file: LicenseFile, licenses: Sequence[tuple[str, float]], who: str) -> Iterator[LicenseClaim]:
    for raw, score in licenses:
        named = read_name(raw)
        yield LicenseClaim(
            raw=raw,
            basis="detected",
            expression=named.expression,
            key=named.license.key if named.license else None,
            scope=file.scope,
            evidence=Evidence(statement=f"{raw} (score {score:.1f})", location=file.place, source=who),
        )


def _recognized(file: LicenseFile) -> Iterator[str]:
    for item in file.detection.licenses if file.detection else ():
        if item.expression:
            yield item.expression


def _ids(expression: str | None) -> tuple[str, ...]:
    return keys_of(expression) if expression else ()


RULES = (LICENSE_SECOND_OPINION, SECOND_OPINION_MISSING)

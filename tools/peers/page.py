"""Count the answers by class of attack, and write them down side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.peers.running import Answer, Answers
from tools.peers.scanners import Peer
from tools.peers.trials import Trial

OURS = "aibom"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One scanner in one reading. `answers` has the cases that it claims to read, and no others."""

    name: str
    peer: Peer
    version: str
    answers: Answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How a scanner did on some cases: hostile ones found, missed, refused; harmless ones flagged, refused."""

    found: int = 0
    missed: int = 0
    refused: int = 0
    outside: int = 0
    alarms: int = 0
    harmless_refused: int = 0
    harmless: int = 0

    @property
    def looked_at(self) -> int:
        """Return how many hostile cases it claims to read."""
        return self.found + self.missed + self.refused


def count(trials: Sequence[Trial], answers: Answers) -> Count:
    """Count the answers to these cases; a case without one is outside of what the scanner claims to read."""
    seen = Counter((trial.hostile, answers.get(trial.name)) for trial in trials)
    return Count(
        found=seen[True, Answer.FLAGGED],
        missed=seen[True, Answer.PASSED],
        refused=seen[True, Answer.REFUSED],
        outside=seen[True, None],
        alarms=seen[False, Answer.FLAGGED],
        harmless_refused=seen[False, Answer.REFUSED],
        harmless=sum(number for (hostile, answer), number in seen.items() if not hostile and answer is not None),
    )


def summary(trials: Sequence[Trial], columns: Sequence[Column]) -> list[str]:
    """Return a table of the scanners, one a row."""
    lines = [
        "| scanner | found | missed | refused | not looked at | false alarms | harmless refused |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for column in columns:
        it = count(trials, column.answers)
        lines.append(
            f"| {column.name} | {it.found} | {it.missed} | {it.refused} | {it.outside} "
            f"| {it.alarms} of {it.harmless} | {it.harmless_refused} |"
        )
    return lines


def by_class(trials: Sequence[Trial], columns: Sequence[Column]) -> list[str]:
    """Return a table of the classes: found of those that a scanner claims to read, and how many it refused."""
    lines = [
        f"| class | cases | {' | '.join(column.name for column in columns)} |",
        f"|---|---:|{'---:|' * len(columns)}",
    ]
    for kind in dict.fromkeys(trial.kind for trial in trials if trial.hostile):
        here = [trial for trial in trials if trial.kind == kind]
        cells = [_cell(count(here, column.answers)) for column in columns]
        lines.append(f"| {kind} | {len(here)} | {' | '.join(cells)} |")
    return lines


def _cell(it: Count) -> str:
    if not it.looked_at:
        return "–"
    return f"{it.found} of {it.looked_at}" + (f", {it.refused} refused" if it.refused else "")


def found_by_others_only(
    trials: Sequence[Trial], columns: Sequence[Column], reported: Mapping[str, str]
) -> Iterator[str]:
    """Yield a row for each hostile case that another scanner flags and ours does not; `reported` is what ours says."""
    ours, *others = columns
    for trial in trials:
        those = [column.name for column in others if column.answers.get(trial.name) is Answer.FLAGGED]
        if trial.hostile and those and ours.answers.get(trial.name) is not Answer.FLAGGED:
            yield f"| `{trial.name}` | {trial.technique} | {', '.join(those)} | {reported.get(trial.name, '')} |"


def found_by_us_only(trials: Sequence[Trial], columns: Sequence[Column]) -> Iterator[str]:
    """Yield a line for each class: the cases that ours flags and none of those that claim to read them does."""
    ours, *others = columns
    for kind in dict.fromkeys(trial.kind for trial in trials if trial.hostile):
        names = [
            f"`{trial.name}`"
            for trial in trials
            if trial.kind == kind
            and ours.answers.get(trial.name) is Answer.FLAGGED
            and (those := [column.answers[trial.name] for column in others if trial.name in column.answers])
            and Answer.FLAGGED not in those
        ]
        if names:
            yield f"- {kind} ({len(names)}): {', '.join(names)}"


def alarms(trials: Sequence[Trial], columns: Sequence[Column]) -> Iterator[str]:
    """Yield a line for each scanner: the harmless cases that it flags."""
    for column in columns:
        names = [
            f"`{trial.name}`"
            for trial in trials
            if not trial.hostile and column.answers.get(trial.name) is Answer.FLAGGED
        ]
        if names:
            yield f"- {column.name} ({len(names)}): {', '.join(names)}"

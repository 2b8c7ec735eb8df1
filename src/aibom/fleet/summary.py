"""A run in numbers: findings by rule, licences, determinations, and what a reader should look at."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from aibom.findings import Severity

# What a page can hold; the index has the rest.
_SHOWN = 500
_RANK = "CASE severity WHEN 'critical' THEN 4 WHEN 'high' THEN 3 WHEN 'medium' THEN 2 WHEN 'low' THEN 1 ELSE 0 END"

# The bill of materials; where a run wrote none, what else it wrote of the target.
_DOCUMENT = (
    "SELECT path FROM documents WHERE documents.target = targets.target ORDER BY CASE format WHEN 'cyclonedx' THEN 0 "
    "WHEN 'cyclonedx-xml' THEN 1 WHEN 'spdx' THEN 2 WHEN 'html' THEN 3 WHEN 'json' THEN 4 ELSE 5 END, format LIMIT 1"
)


class RuleRow(Struct, frozen=True, kw_only=True):
    """A rule over all targets: in how many it was broken, how often, and how badly at worst."""

    rule: str
    severity: Severity
    targets: int
    findings: int


class Trouble(Struct, frozen=True, kw_only=True):
    """A target that a reader should look at: not scanned, or with something grave in it.

    `document` is where its bill of materials is, below the folder of the run; None where none was written.
    """

    target: str
    status: str
    text: str
    tone: str
    document: str | None = None


class Summary(Struct, frozen=True, kw_only=True):
    """A run in numbers; `seconds` is the sum over the workers, `size` in bytes."""

    statuses: dict[str, int]
    files: int
    size: int
    seconds: float
    verdicts: dict[str, int]
    rules: tuple[RuleRow, ...]
    licenses: dict[str, int]
    determinations: dict[tuple[str, str], int]
    not_scanned: tuple[Trouble, ...]
    grave: tuple[Trouble, ...]
    partly: int
    signed: dict[str, int]

    @property
    def targets(self) -> int:
        """How many targets are finished."""
        return sum(self.statuses.values())


def summarize(connection: sqlite3.Connection) -> Summary:
    """Count over the tables of an index."""

    def rows(statement: str) -> list[tuple[object, ...]]:
        return connection.execute(statement).fetchall()

    def counted(statement: str) -> dict[str, int]:
        return {str(key): int(str(count)) for key, count in rows(statement)}

    (files, size, seconds, partly) = connection.execute(
        "SELECT coalesce(sum(files), 0), coalesce(sum(bytes), 0), coalesce(sum(seconds), 0), "
        "coalesce(sum(covered = 0), 0) FROM targets"
    ).fetchone()
    names = ("info", "low", "medium", "high", "critical")
    return Summary(
        statuses=counted("SELECT status, count(*) FROM targets GROUP BY status ORDER BY status"),
        files=files,
        size=size,
        seconds=seconds,
        verdicts=counted(
            "SELECT verdict, count(*) FROM targets WHERE verdict NOT NULL GROUP BY verdict ORDER BY 2 DESC"
        ),
        rules=tuple(
            RuleRow(rule=rule, severity=Severity(names[rank]), targets=targets, findings=findings)
            for rule, rank, targets, findings in connection.execute(
                f"SELECT rule, max({_RANK}), count(*), sum(count) FROM findings "  # noqa: S608 -- ours
                "GROUP BY rule ORDER BY 2 DESC, 3 DESC, 1"
            )
        ),
        licenses=counted("SELECT license, count(DISTINCT target) FROM licenses GROUP BY license ORDER BY 2 DESC, 1"),
        determinations={
            (str(key), str(strength)): int(str(count))
            for key, strength, count in rows(
                "SELECT provision, strength, count(*) FROM determinations WHERE headline NOT NULL "
                "GROUP BY 1, 2 ORDER BY 1, 3 DESC"
            )
        },
        not_scanned=tuple(
            Trouble(target=str(target), status=str(status), text=str(error), tone="bad")
            for target, status, error in rows(
                f"SELECT target, status, error FROM targets WHERE status != 'scanned' ORDER BY target LIMIT {_SHOWN}"  # noqa: S608
            )
        ),
        grave=tuple(
            Trouble(
                target=str(target),
                status=str(worst),
                text=str(verdict),
                tone=str(tone),
                document=str(document) if document else None,
            )
            for target, worst, verdict, tone, document in rows(
                f"SELECT target, worst, verdict, tone, ({_DOCUMENT}) FROM targets "  # noqa: S608 -- ours
                "WHERE worst IN ('critical', 'high') OR gate = 1 "
                f"ORDER BY worst, target LIMIT {_SHOWN}"
            )
        ),
        partly=partly,
        signed=counted("SELECT outcome, count(*) FROM signatures GROUP BY outcome ORDER BY 2 DESC"),
    )

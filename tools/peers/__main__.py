"""Install the peers, give all scanners the same files, and write docs/peers.md."""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.peers import environments, public, remembered
from tools.peers.page import Column, alarms, by_class, found_by_others_only, found_by_us_only, summary
from tools.peers.running import Answer, wall
from tools.peers.scanners import AIBOM, PEERS, Peer, judged, reported
from tools.peers.trials import ROOT, Trial, own_trials

from aibom import __version__

PAGE = ROOT / "docs" / "peers.md"
MEMORY = environments.FOLDER / "answers.json"


def main() -> None:
    """Run everything, or only the peers that are named, and write the page (or print it with `--print`)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peers", nargs="*", choices=[[], *(peer.name for peer in PEERS)], metavar="PEER")
    parser.add_argument("--print", action="store_true", help="print the page and leave docs/peers.md alone")
    chosen = parser.parse_args()
    # Some cases are zips with two members of one name, of which zipfile warns.
    warnings.simplefilter("ignore", UserWarning)
    peers = [peer for peer in PEERS if not chosen.peers or peer.name in chosen.peers]
    for peer in peers:
        environments.install(peer)
    text = render(peers, environments.FOLDER / "trials")
    if chosen.print:
        sys.stdout.write(text)
    else:
        PAGE.write_text(text)


def columns_of(peers: Sequence[Peer], trials: Sequence[Trial]) -> list[Column]:
    """Ask every scanner about the cases that it claims to read, ours first."""
    columns: list[Column] = []
    for peer in (AIBOM, *peers):
        claimed = [trial for trial in trials if peer.claims(trial)]
        version = environments.version(peer) if peer is not AIBOM else __version__
        print(f"{peer.name} {version}: {len(claimed)} of {len(trials)} cases", file=sys.stderr, flush=True)
        programs = environments.programs(peer)
        readings = (
            peer.ask(programs, claimed) if peer is AIBOM else remembered.ask(peer, version, programs, claimed, MEMORY)
        )
        columns += [
            Column(name=name, peer=peer, version=version, answers=answers) for name, answers in readings.items()
        ]
    return columns


def render(peers: Sequence[Peer], folder: Path) -> str:
    """Return the page."""
    trials = own_trials(folder / "own")
    columns = columns_of(peers, trials)
    ours = columns[0].answers
    said = {trial.name: _said(trial) for trial in trials if trial.hostile and ours[trial.name] is not Answer.FLAGGED}
    lines = [
        *_introduction(columns, trials),
        "## Sum", "", *summary(trials, columns), "",
        "## By class", "", "Found of the cases that a scanner claims to read; – where it claims none.", "",
        *by_class(trials, columns), "",
        "## What others flag and aibom does not", "",
        *_others_only(trials, columns, said),
        "## What aibom flags and nobody else does", "",
        "Of those cases that at least one other scanner claims to read.", "", *found_by_us_only(trials, columns), "",
        "## False alarms", "", *alarms(trials, columns), "",
    ]  # fmt: skip
    lines += _public(peers, folder)
    return "\n".join(lines).rstrip() + "\n"


# What a scan says of every folder that holds a file alone.
_ABOUT_PAPERS = frozenset({"license-undetermined", "card-missing", "pickle-present"})


def _said(trial: Trial) -> str:
    rules = (f"{rule} ({severity})" for rule, severity in reported(trial).items() if rule not in _ABOUT_PAPERS)
    return ", ".join(rules) or "nothing"


def _introduction(columns: Sequence[Column], trials: Sequence[Trial]) -> Iterator[str]:
    hostile = sum(trial.hostile for trial in trials)
    yield from (
        "# Beside other scanners",
        "",
        f"Written by `make peers` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}.",
        f"{hostile} hostile and {len(trials) - hostile} harmless cases; a case is a file, or a folder of several.",
        "",
        "## How to read it",
        "",
        "Every scanner was run by its own command line, installed as its documentation says, on the same files.",
        "A scanner is asked only about cases that it claims to read, by what a file is or by its name.",
        "The rest is *not looked at*, and no miss.",
        "*Refused* is an error, a crash, no end within the time limit, or an answer that it could not tell.",
        "A user who fails a build on any exit code but 0 is safe there, and stopped at harmless files as well.",
        f"No scanner had a network{'' if 'unshare' in wall() else ', as far as it kept to its own settings'}.",
        "",
        "| scanner | release | what counts as flagged |",
        "|---|---|---|",
    )
    for column in columns:
        criterion = column.peer.criteria[column.name]
        yield f"| [{column.name}]({column.peer.documentation}) | {column.version} | {criterion} |"
    yield from (
        "",
        "## What this does not show",
        "",
        "We wrote the cases, so a scanner that was made with them at hand has an advantage: ours.",
        "What it missed or accused was mended before the figures were taken; the others had no such chance.",
        "Each has a public reference (see the [scorecard](scorecard.md)).",
        "Many were published because one of these scanners missed them, which makes them hard for it.",
        "Harmless files are mostly what the real libraries wrote for tests: small, and no sample of what people share.",
        "Found means exit code 1 here; the scorecard asks instead that each case names its cause, as grave as it is.",
        "modelaudit judges by the libraries installed beside it; torch and scikit-learn were not among them.",
        "It was asked in batches, and once more about each attack by itself that it had not flagged there.",
        "Other releases give other answers: the figures are of the date above.",
        "",
    )


def _others_only(trials: Sequence[Trial], columns: Sequence[Column], said: dict[str, str]) -> Iterator[str]:
    rows = list(found_by_others_only(trials, columns, said))
    if not rows:
        yield from ("Nothing.", "")
        return
    yield from (
        "Each was looked at.",
        "aibom reports every one, but as less than high, or as a file that it did not read to its end.",
        "Classes, layers, operators and handlers that the file does not bring need code from elsewhere to do harm.",
        "A path beside the model, and bytes that no reader looks at, are worth a look and no alarm.",
        "",
        "| case | technique | flagged by | what aibom reports |",
        "|---|---|---|---|",
        *rows,
        "",
    )


def _public(peers: Sequence[Peer], folder: Path) -> Iterator[str]:
    """Yield what came of material that others made."""
    yield from ("## Material that others made", "")
    auditor = next((peer for peer in peers if peer.name == environments.SAMPLES_OF), None)
    archive = environments.source_distribution(auditor) if auditor is not None else None
    if archive is not None:
        samples = public.sample_trials(archive, folder / "samples")
        columns = columns_of(peers, samples)
        said = {trial.name: _said(trial) for trial in samples if trial.hostile}
        yield from (
            f"The sample files in `{archive.name}` (MIT), labeled by the folders that its tests keep them in.",
            "They are read from the distribution at run time and are no part of this project.",
            "The folders are not what its tests assert of each file, nor is a file alone what they scan.",
            "",
            *summary(samples, columns),
            "",
        )
        rows = list(found_by_others_only(samples, columns, said))
        if rows:
            yield from (
                "A pickle or code that a file holds as data is not run by loading the file; aibom judges what is.",
                "",
                "| sample | | flagged by | what aibom reports |",
                "|---|---|---|---|",
                *rows,
                "",
            )
        yield from (*alarms(samples, columns), "")
    named = [peer for peer in peers if peer.name in public.LISTS]
    if named:
        denied = public.denied_trials(
            {peer.name: environments.site_packages(peer) for peer in named}, folder / "denied"
        )
        answers = {trial.name: judged(trial) for trial in denied}
        yield from (
            "Names that the others deny, from the source of their tables: a pickle for each calls it with a text.",
            "Where a whole module is denied, one name stands for it.",
            "",
            "| list | names | flagged by aibom |",
            "|---|---:|---:|",
        )
        total = Counter(trial.kind for trial in denied)
        found = Counter(trial.kind for trial in denied if answers[trial.name] is Answer.FLAGGED)
        yield from (f"| {kind} | {number} | {found[kind]} |" for kind, number in total.items())
        left = sorted({trial.name.partition(":")[2] for trial in denied if answers[trial.name] is not Answer.FLAGGED})
        if left:
            yield from (
                "",
                f"Not flagged when called like that: {', '.join(f'`{name}`' for name in left)}.",
                "They do nothing with a text alone; aibom judges them by what they are given.",
            )


if __name__ == "__main__":
    main()

"""The scanners that are compared: how each is called, what it claims to read, and what counts as flagged."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.peers.running import Answer, Answers, Done, alone, batched, gathered, run, whose
from tools.peers.trials import Trial

from aibom.files import Format
from aibom.findings import Severity
from aibom.pipeline import scan
from aibom.settings import Settings
from aibom.sources.local import DirectorySource

Readings = Mapping[str, Answers]
"""Answers by what is counted as flagged: one run of a scanner may be read in a strict and in a lenient way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A scanner. `criteria` has a sentence for each reading, by the reading's name.

    Sources of `formats`, `suffixes` and the criteria: the `documentation` of the release that was run.
    """

    name: str
    requirement: str
    documentation: str
    criteria: Mapping[str, str]
    formats: frozenset[Format]
    suffixes: frozenset[str]
    ask: Callable[[Path, Sequence[Trial]], Readings]

    def claims(self, trial: Trial) -> bool:
        """Say whether the scanner claims to read a case: by what a file is, or by what it is called."""
        return bool(trial.formats & self.formats or trial.suffixes & self.suffixes)


_PICKLES = frozenset({Format.PICKLE, Format.JOBLIB, Format.PYTORCH_LEGACY})
_TORCH = frozenset({Format.PYTORCH_ZIP, Format.TORCHSCRIPT})
_ARRAYS = frozenset({Format.NUMPY_NPY, Format.NUMPY_NPZ})
_KERAS = frozenset({Format.KERAS_V3, Format.KERAS_H5, Format.HDF5})


def _picklescan(programs: Path, trials: Sequence[Trial]) -> Readings:
    def with_options(*options: str) -> Answers:
        return alone(trials, lambda trial, scratch: _by_code(
            run([programs / "picklescan", *options, "--path", trial.path], 30, scratch), "SCAN SUMMARY"))  # fmt: skip

    return {"picklescan": with_options(), "picklescan --strict": with_options("--strict")}


def _by_code(done: Done, ended_well: str) -> Answer:
    """Read code 0 and 1; a crash of Python ends with code 1 too, and without the last lines of a report."""
    if done.code == 1 and ended_well in done.out + done.err:
        return Answer.FLAGGED
    return Answer.PASSED if done.code == 0 else Answer.REFUSED


def _fickling(programs: Path, trials: Sequence[Trial]) -> Readings:
    def one(trial: Trial, scratch: Path) -> Answer:
        files = [trial.path] if trial.path.is_file() else [item for item in trial.folder.rglob("*") if item.is_file()]
        answers = [
            _by_code(
                run([programs / "fickling", "--check-safety", "--print-results", path], 30, scratch),
                "Warning: Fickling detected that the pickle file may be unsafe",
            )
            for path in sorted(files)
        ]
        return next((answer for answer in (Answer.FLAGGED, Answer.REFUSED) if answer in answers), Answer.PASSED)

    return {"fickling": alone(trials, one)}


def _modelscan(programs: Path, trials: Sequence[Trial]) -> Readings:
    def many(batch: Sequence[Trial], scratch: Path) -> Answers | None:
        report = scratch / "report.json"
        with gathered(batch) as folder:
            run([programs / "modelscan", "-p", folder, "-r", "json", "-o", report], 60 + 2 * len(batch), scratch)
        return read_modelscan(batch, report)

    return {"modelscan": batched(trials, many, 150, Answer.REFUSED)}


def read_modelscan(batch: Sequence[Trial], report: Path) -> Answers | None:
    """Read the answers out of a JSON report: an issue flags a case, an error without an issue refuses it."""
    try:
        found = json.loads(report.read_text())
        answers = {trial.name: Answer.PASSED for trial in batch}
        for rows, answer in ((found["errors"], Answer.REFUSED), (found["issues"], Answer.FLAGGED)):
            for row in rows:
                if (trial := whose(batch, row.get("source") or "")) is not None:
                    answers[trial.name] = answer
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return answers


_MODELAUDIT = ("modelaudit", "modelaudit, critical only")
_BOTH_REFUSED = (Answer.REFUSED, Answer.REFUSED)


def _modelaudit(programs: Path, trials: Sequence[Trial]) -> Readings:
    def many(batch: Sequence[Trial], scratch: Path) -> Mapping[str, tuple[Answer, Answer]] | None:
        report = scratch / "report.json"
        run(
            [programs / "modelaudit", "scan", "--quiet", "--no-cache", "--format", "json", "--output", report,
             *(trial.path for trial in batch)], 60 + 10 * len(batch), scratch,
        )  # fmt: skip
        return read_modelaudit(batch, report)

    answers = batched(trials, many, 60, _BOTH_REFUSED)
    # What it says of a file can depend on what the same process has read before: what it missed is asked again alone.
    missed = [trial for trial in trials if trial.hostile and answers[trial.name][0] is not Answer.FLAGGED]
    answers |= alone(missed, lambda trial, scratch: (many([trial], scratch) or {}).get(trial.name, _BOTH_REFUSED))
    return {reading: {name: pair[place] for name, pair in answers.items()} for place, reading in enumerate(_MODELAUDIT)}


def read_modelaudit(batch: Sequence[Trial], report: Path) -> Mapping[str, tuple[Answer, Answer]] | None:
    """Read the answers out of a JSON report: of any warning or critical issue, and of critical ones alone.

    A file whose outcome the report calls inconclusive, or that had an error, is refused unless an issue flags it.
    """
    try:
        found = json.loads(report.read_text())
        refused: set[str] = set()
        worst: dict[str, set[str]] = {}
        for path, facts in found["file_metadata"].items():
            trial = whose(batch, path)
            if trial is not None and (facts.get("scan_outcome") == "inconclusive" or facts.get("operational_error")):
                refused.add(trial.name)
        for issue in found["issues"]:
            if (trial := whose(batch, issue.get("location") or "")) is not None:
                worst.setdefault(trial.name, set()).add(issue["severity"])
        if found["has_errors"] and len(batch) == 1:
            refused.add(batch[0].name)
    except (OSError, ValueError, KeyError, AttributeError):
        return None

    def answer(trial: Trial, *severities: str) -> Answer:
        if worst.get(trial.name, set()) & set(severities):
            return Answer.FLAGGED
        return Answer.REFUSED if trial.name in refused else Answer.PASSED

    return {trial.name: (answer(trial, "warning", "critical"), answer(trial, "critical")) for trial in batch}


def _aibom(_: Path, trials: Sequence[Trial]) -> Readings:
    return {"aibom": {trial.name: judged(trial) for trial in trials}}


def judged(trial: Trial) -> Answer:
    """Scan as `aibom scan FOLDER` does, whose exit code is 1 from a high finding on.

    Where nothing is high but that a file could not be read to its end, that is a refusal, as it is for the others.
    """
    high = {rule for rule, severity in reported(trial).items() if severity.at_least(Severity.HIGH)}
    if not high:
        return Answer.PASSED
    return Answer.REFUSED if high == {"inspection-incomplete"} else Answer.FLAGGED


def reported(trial: Trial) -> Mapping[str, Severity]:
    """Return the rules that a scan of ours reports, each with its worst severity."""
    created = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    found = scan(DirectorySource(str(trial.folder)), Settings(as_of=created.date(), jobs=1), created=created).findings
    worst: dict[str, Severity] = {}
    for finding in found:
        if finding.rule.id not in worst or finding.severity.at_least(worst[finding.rule.id]):
            worst[finding.rule.id] = finding.severity
    return worst


_NOT_MODELAUDIT = frozenset({
    Format.PYTHON, Format.PYTHON_BYTECODE, Format.NOTEBOOK, Format.SHELL, Format.DOCKERFILE, Format.TRITON_CONFIG,
    Format.EXECUTABLE, Format.LFS_POINTER, Format.IMAGE, Format.PDF, Format.UNKNOWN, Format.EMPTY, Format.MLFLOW,
    Format.ZSTD, Format.TEXT,
})  # fmt: skip

AIBOM = Peer(
    name="aibom",
    requirement="",
    documentation="cli.md",
    criteria={
        "aibom": "exit code 1 of `aibom scan`: a finding that is high or critical. If the only one is that a file "
        "could not be read to its end, it counts as refused."
    },
    formats=frozenset(Format),
    suffixes=frozenset(),
    ask=_aibom,
)
PEERS = (
    Peer(
        name="picklescan",
        requirement="picklescan[7z] numpy",
        documentation="https://github.com/mmaitre314/picklescan",
        criteria={
            "picklescan": 'exit code 1, "scan found malware"; 2 is a refusal. Each file by itself, so that it is '
            "looked at whatever its name.",
            "picklescan --strict": "the same, with suspicious globals counted as dangerous.",
        },
        formats=_PICKLES | _TORCH | _ARRAYS | {Format.ZIP, Format.SEVEN_ZIP},
        suffixes=frozenset(
            {".pkl", ".pickle", ".joblib", ".dat", ".data", ".bin", ".pt", ".pth", ".ckpt", ".npy", ".npz", ".zip"}
        ),
        ask=_picklescan,
    ),
    Peer(
        name="modelscan",
        # With numpy 2, which it allows, it ends every array with an error.
        requirement="modelscan[tensorflow,h5py] numpy<2",
        documentation="https://github.com/protectai/modelscan",
        criteria={
            "modelscan": "an issue of any severity for the file in the JSON report, which is what makes exit code 1; "
            "an error without an issue is a refusal."
        },
        formats=_PICKLES | _TORCH | _ARRAYS | _KERAS | {Format.TF_SAVEDMODEL, Format.TF_KERAS_METADATA, Format.ZIP},
        suffixes=frozenset(
            {".pkl", ".pickle", ".joblib", ".dill", ".dat", ".data", ".bin", ".pt", ".pth", ".ckpt", ".npy", ".npz",
             ".zip", ".h5", ".keras", ".pb"}
        ),
        ask=_modelscan,
    ),
    Peer(
        name="fickling",
        requirement="fickling typing_extensions",
        documentation="https://github.com/trailofbits/fickling",
        criteria={
            "fickling": "exit code 1 of `fickling --check-safety`: any severity but LIKELY_SAFE; 2, and a crash, is a "
            "refusal. Its command line reads pickles, not the archives of torch, which count as not looked at."
        },
        formats=frozenset({Format.PICKLE, Format.PYTORCH_LEGACY}),
        suffixes=frozenset({".pkl", ".pickle", ".dill"}),
        ask=_fickling,
    ),
    Peer(
        name="modelaudit",
        requirement="modelaudit[dill,h5,onnx,safetensors,sevenzip,tflite]",
        documentation="https://github.com/promptfoo/modelaudit",
        criteria={
            "modelaudit": "a warning or a critical issue for the file in the JSON report, which is what makes exit "
            "code 1; an inconclusive outcome or an error without such an issue is a refusal.",
            "modelaudit, critical only": "the same of critical issues alone, which its documentation calls release "
            "blockers.",
        },
        formats=frozenset(Format) - _NOT_MODELAUDIT,
        suffixes=frozenset({".pkl", ".pickle", ".dill", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".npy", ".npz",
                            ".h5", ".hdf5", ".keras", ".onnx", ".pb", ".nemo", ".rds", ".rda", ".rdata", ".skops",
                            ".gguf", ".safetensors", ".zip", ".tar", ".7z", ".gz", ".bz2", ".xz", ".lz4", ".zlib",
                            ".llamafile", ".exe", ".json", ".yaml", ".yml", ".j2", ".jinja", ".template"}),
        ask=_modelaudit,
    ),
)  # fmt: skip

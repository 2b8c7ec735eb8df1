from __future__ import annotations

import pytest
from bench import cost, run
from bench.measure import ROOT


def test_the_results_are_those_that_were_measured() -> None:
    """RESULTS.md says what results.json holds, and nothing else."""
    assert run.render(run.load(run.KEPT)) == (ROOT / "bench" / "RESULTS.md").read_text()


def test_every_benchmark_is_there() -> None:
    """A name that can be given is a module that can be run."""
    assert [] == [name for name in run.BENCHMARKS if not (ROOT / "bench" / f"{name}.py").is_file()]
    assert set(run.load(run.KEPT)) <= set(run.BENCHMARKS)


def test_the_cost_model_is_computed_from_them() -> None:
    """The table in the documentation follows from the measured figures."""
    page = cost.PAGE.read_text()
    assert cost.table(cost.measured(run.load(run.KEPT))) in page


def test_the_formula() -> None:
    """A million repositories of 10 GB at 2 GB/s are 5e6 core-seconds, and what each costs beside that."""
    costs = cost.Measured(fixed=0.36, rate=2e9, again=0.036, written=1e5, remote=0.72, moved=1e5, requests=6, where="x")
    text = cost.table(costs)
    assert "| full | 10 GB | 1,489 | 10 PB | 100 GB |" in text
    assert "| full, unchanged since the last | any | 10 |" in text
    assert "| metadata, over the network | any | 200 | 100 GB |" in text
    assert "6,000,000 requests" in text
    assert "wait 83 hours" in text


@pytest.mark.parametrize("name", ["none", "scans none"])
def test_a_name_that_is_none_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured, and the names that there are are told."""
    monkeypatch.setattr("sys.argv", ["run.py", *name.split()])
    with pytest.raises(SystemExit, match="no benchmark none; there are: scans, many_files"):
        run.main()

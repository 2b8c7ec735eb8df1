"""What the libraries themselves write today, by the hundred, and none of it is accused.

Run by `make real`, in an environment that holds the libraries (fixtures/real/requirements.txt).
"""

from __future__ import annotations

import datetime as dt
import inspect
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import aibom
from aibom.findings import Severity, Subject

pytestmark = pytest.mark.real
ABOUT_FILES = {Subject.CODE_ON_LOAD, Subject.CONTAINERS, Subject.FILES}
# What torch rebuilds from Python source that the file carries, and the archives that are code.
CODE = {"fx.pt"}
NOTED = {"torchscript-code"}
_ENDINGS = {"joblib": ".joblib", "torch": ".pt"}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries read these when they are imported."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def accused(folder: Path) -> list[str]:
    """Scan a folder and return what is said of its files above info."""
    source = aibom.open_source(str(folder))
    report = aibom.scan(
        source, aibom.Settings(as_of=dt.date(2026, 11, 21)), created=dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    )
    return [
        f"{finding.location and finding.location.path}: {finding.severity} {finding.message}"
        for finding in report.findings
        if finding.rule.subject in ABOUT_FILES
        and finding.severity.at_least(Severity.LOW)
        and finding.rule.id not in NOTED
        and not (finding.location and finding.location.path in CODE)
    ]


def write(folder: Path, name: str, value: object, *writers: Callable[[object, Path], object]) -> None:
    """Write a value by each writer that can write it at all."""
    for number, writer in enumerate(writers):
        library = writer.__module__.partition(".")[0]
        path = folder / f"{name}-{number}{_ENDINGS.get(library, '.pkl')}"
        try:
            writer(value, path)
        except (pickle.PicklingError, TypeError, AttributeError, RuntimeError, NotImplementedError):
            path.unlink(missing_ok=True)


def pickled(protocol: int) -> Callable[[object, Path], object]:
    def put(value: object, path: Path) -> None:
        path.write_bytes(pickle.dumps(value, protocol=protocol))

    return put


def estimators() -> Iterator[tuple[str, Any]]:
    """Yield every estimator of scikit-learn, fitted where a small table of numbers or texts fits it."""
    numpy = pytest.importorskip("numpy")
    utils = pytest.importorskip("sklearn.utils")
    instances = pytest.importorskip("sklearn.utils._test_common.instance_generator")
    values = numpy.random.default_rng(0).random((30, 4))
    classes = (values[:, 0] > 0.5).astype(int)
    for name, kind in utils.all_estimators():
        try:
            estimator = next(iter(instances._construct_instances(kind)))
        except Exception:  # noqa: BLE001, S112 -- what can't be made without a choice is left out
            continue
        for data in ((values, classes), (abs(values), values[:, :2]), (["a b", "b c"] * 10, [0, 1] * 10)):
            try:
                estimator.fit(*data)
                break
            except Exception:  # noqa: BLE001, S112 -- an unfitted estimator is a fair file as well
                continue
        yield name, estimator


def test_every_estimator_of_sklearn(tmp_path: Path) -> None:
    """Two hundred estimators, as pickles of three protocols and as joblib files, plain and compressed."""
    joblib = pytest.importorskip("joblib")

    def compressed(value: object, path: Path) -> None:
        joblib.dump(value, path.with_suffix(".joblib"), compress=3)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for protocol, (name, estimator) in zip(_cycle(2, 4, 5), estimators(), strict=False):
            write(tmp_path, name, estimator, pickled(protocol), joblib.dump, compressed)
    assert len(list(tmp_path.iterdir())) > 500
    assert [] == accused(tmp_path)


def _cycle(*values: int) -> Iterator[int]:
    return (values[number % len(values)] for number in count())


def test_distributions_and_interpolations_of_scipy(tmp_path: Path) -> None:
    """Distributions, sparse matrices, trees and splines."""
    numpy, stats = pytest.importorskip("numpy"), pytest.importorskip("scipy.stats")
    sparse, interpolate, spatial = (
        pytest.importorskip(f"scipy.{part}") for part in ("sparse", "interpolate", "spatial")
    )
    values = numpy.random.default_rng(0).random((30, 4))
    line = numpy.arange(9.0)
    for name in stats._continuous_distns._distn_names:
        write(tmp_path, f"stats-{name}", getattr(stats, name), pickled(4))
    for name in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr"):
        write(tmp_path, f"{name}-matrix", getattr(sparse, f"{name}_matrix")(values), pickled(2))
        write(tmp_path, f"{name}-array", getattr(sparse, f"{name}_array")(values), pickled(5))
    for number, value in enumerate((
        stats.norm(1, 2), stats.gamma(2.0), stats.gaussian_kde(values.T), stats.multivariate_normal([0, 0]),
        interpolate.interp1d(line, line), interpolate.CubicSpline(line, line), interpolate.UnivariateSpline(line, line),
        interpolate.RBFInterpolator(values, values[:, 0]), spatial.cKDTree(values), spatial.KDTree(values),
        spatial.transform.Rotation.identity(),
    )):  # fmt: skip
        write(tmp_path, f"value-{number}", value, pickled(4))
    assert [] == accused(tmp_path)


def test_tables_of_pandas(tmp_path: Path) -> None:
    """A frame with a column of every kind, its indexes, offsets and groups."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({
        "number": [1, 2, 3], "category": pandas.Categorical(list("xyx")), "text": ["x", "y", None],
        "time": pandas.date_range("2020", periods=3, tz="UTC"), "nullable": pandas.array([1, None, 3], dtype="Int64"),
        "period": pandas.period_range("2020", periods=3, freq="M"), "delta": pandas.to_timedelta([1, 2, 3], "h"),
        "interval": pandas.interval_range(0, 3), "string": pandas.array(["a", "b", None], dtype="string"),
    })  # fmt: skip
    values = (
        frame, frame.set_index(["number", "text"]), frame["category"], frame.groupby("text"), pandas.RangeIndex(3),
        pandas.IntervalIndex.from_breaks([0, 1, 2]), pandas.MultiIndex.from_product([[1, 2], ["a", "b"]]),
        pandas.Timestamp("2020", tz="Europe/Berlin"), pandas.arrays.SparseArray([0, 0, 1]), pandas.offsets.BDay(2),
        pandas.offsets.MonthEnd(), pandas.offsets.CustomBusinessDay(), pandas.concat([frame, frame]),
    )  # fmt: skip
    for number, value in enumerate(values):
        for protocol in (2, 5):
            write(tmp_path, f"table-{number}-{protocol}", value, pickled(protocol))
    assert [] == accused(tmp_path)


def members(module: Any, parent: type) -> Iterable[tuple[str, Any]]:
    return ((name, kind) for name, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, parent))


def made(kind: Any, *arguments: tuple[Any, ...]) -> Any | None:
    """Return an instance made with the first arguments that fit."""
    for given in arguments:
        try:
            return kind(*given)
        except Exception:  # noqa: BLE001, S112 -- the next arguments may fit
            continue
    return None


def test_modules_and_optimizers_of_torch(tmp_path: Path) -> None:
    """Every layer, optimizer and schedule as a whole object, in the format of today and of before 1.6."""
    torch = pytest.importorskip("torch")

    def legacy(value: object, path: Path) -> None:
        torch.save(value, path.with_suffix(".pt"), _use_new_zipfile_serialization=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, kind in members(torch.nn, torch.nn.Module):
            layer = made(kind, (), (4,), (4, 4), (4, 2), (1, 4, 2), (4, 4, 2), ([4],), (2, [1]), (4, 4, 1))
            if layer is not None:
                write(tmp_path, name, layer, torch.save, legacy)
        model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.BatchNorm1d(4))
        for name, kind in members(torch.optim, torch.optim.Optimizer):
            if (optimizer := made(kind, (model.parameters(),), (model.parameters(), 0.1))) is not None:
                write(tmp_path, name, optimizer, torch.save)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for name, kind in members(torch.optim.lr_scheduler, torch.optim.lr_scheduler.LRScheduler):
            schedule = made(kind, (optimizer,), (optimizer, 2), (optimizer, [2]), (optimizer, 0.1, 0.2))
            if schedule is not None:
                write(tmp_path, name, schedule, torch.save)
                write(tmp_path, f"{name}-state", schedule.state_dict(), torch.save)
    distributions = torch.distributions
    for number, value in enumerate((
        distributions.Normal(0.0, 1.0), distributions.Categorical(torch.ones(3)), torch.Size([1]), torch.float16,
        distributions.TransformedDistribution(distributions.Normal(0.0, 1.0), [distributions.ExpTransform()]),
        torch.quantize_per_tensor(torch.rand(3), 0.1, 0, torch.quint8), torch.eye(3).to_sparse(),
        torch.eye(3).to_sparse_csr(), torch.device("cpu"), torch.utils.data.TensorDataset(torch.rand(4, 2)),
        torch.nn.utils.rnn.pack_sequence([torch.rand(2, 1)]), {"torch": torch.get_rng_state()},
    )):  # fmt: skip
        write(tmp_path, f"value-{number}", value, torch.save)
    torch.jit.script(model).save(tmp_path / "script.pt")
    torch.jit.trace(model.eval(), torch.rand(2, 4)).save(tmp_path / "trace.pt")
    torch.export.save(torch.export.export(model.eval(), (torch.rand(2, 4),)), tmp_path / "program.pt2")
    assert len(list(tmp_path.iterdir())) > 350
    assert [] == accused(tmp_path)


def test_models_of_transformers_and_their_relatives(tmp_path: Path) -> None:
    """Configurations, whole models, adapters, tokenizers and the arguments of a training run."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    peft, tokenizers = pytest.importorskip("peft"), pytest.importorskip("tokenizers")
    diffusers = pytest.importorskip("diffusers")
    small = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "vocab_size": 20,
    }
    bert = transformers.BertModel(transformers.BertConfig(**small))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1}, []))
    for number, value in enumerate((
        bert, transformers.LlamaForCausalLM(transformers.LlamaConfig(**small)), transformers.T5Config(),
        transformers.TrainingArguments(output_dir=str(tmp_path / "run"), report_to=[]), transformers.GenerationConfig(),
        transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer), tokenizer, diffusers.DDPMScheduler(),
        peft.get_peft_model(bert, peft.LoraConfig(target_modules=["query"])),
        transformers.get_linear_schedule_with_warmup(torch.optim.SGD(bert.parameters(), lr=0.1), 1, 2),
    )):  # fmt: skip
        write(tmp_path, f"value-{number}", value, torch.save, pickled(4))
    assert [] == accused(tmp_path)


def test_boosters_pipelines_and_keras(tmp_path: Path) -> None:
    """Boosted trees, a pipeline of spaCy, a Keras model in each of its formats, skops, dill and cloudpickle."""
    numpy, joblib = pytest.importorskip("numpy"), pytest.importorskip("joblib")
    lightgbm, catboost = pytest.importorskip("lightgbm"), pytest.importorskip("catboost")
    xgboost, keras, spacy = (pytest.importorskip(name) for name in ("xgboost", "keras", "spacy"))
    dill, cloudpickle = pytest.importorskip("dill"), pytest.importorskip("cloudpickle")
    skops = pytest.importorskip("skops.io")
    ensemble = pytest.importorskip("sklearn.ensemble")
    values = numpy.random.default_rng(0).random((40, 3))
    classes = (values[:, 0] > 0.5).astype(int)
    booster = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(values, classes)
    for name, value in (
        ("xgboost", xgboost.XGBClassifier(n_estimators=2).fit(values, classes)),
        ("lightgbm", booster),
        (
            "catboost",
            catboost.CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False).fit(values, classes),
        ),
    ):
        write(tmp_path, name, value, pickled(4), joblib.dump)
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.to_disk(tmp_path / "pipeline")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dropout(0.1)])
    model.compile("adam", "mse")
    for name in ("model.keras", "model.h5", "model.weights.h5"):
        (model.save_weights if "weights" in name else model.save)(tmp_path / name)
    write(tmp_path, "keras", model, pickled(4), joblib.dump)
    skops.dump(ensemble.RandomForestClassifier(2).fit(values, classes), tmp_path / "forest.skops")
    (tmp_path / "dill.pkl").write_bytes(dill.dumps({"a": numpy.ones(3)}))
    (tmp_path / "cloudpickle.pkl").write_bytes(cloudpickle.dumps({"a": numpy.ones(3)}))
    assert [] == accused(tmp_path)

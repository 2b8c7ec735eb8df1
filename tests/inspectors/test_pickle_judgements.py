"""How single uses of globals are judged, folded, put into words, and settled at speed."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from fixtures.hostile_case import DANGEROUS, ECHO, HOOK, MALFORMED, NESTED, OBFUSCATED, UNKNOWN_CALL
from fixtures.pickle_assembler import Ops, built, called, framed, made, new, old, push, stream, text, then

from aibom.components import Use, Verdict
from aibom.data.tables import parse_rows
from aibom.errors import DataError
from aibom.files import Coverage, Format, RepoFile, Role
from aibom.findings import Finding, Severity
from aibom.inspectors import pickle_second_opinion
from aibom.inspectors.pickle_examine import Examination, examine, settle
from aibom.inspectors.pickle_fold import MOST, CannotFoldError, evaluate
from aibom.inspectors.pickle_globals import (
    COLUMNS,
    Effect,
    Standing,
    build_table,
    global_table,
    modern_name,
)
from aibom.inspectors.pickle_globals import (
    Role as SafeRole,
)
from aibom.inspectors.pickle_nodes import Blob, Call, Dict, Global, How, SetOf, Unknown
from aibom.inspectors.pickle_trailing import look_after
from aibom.inspectors.pickle_triage import triage
from aibom.inspectors.pickle_window import Window
from aibom.inspectors.pickle_words import call_text, value_text
from aibom.inspectors.pickles import inspect
from aibom.limits import Limits
from aibom.sources.bytesource import MemorySource

GETATTR = new("builtins", "getattr")
SYSTEM = old("posix", "system")


def file_of(raw: bytes) -> RepoFile:
    return RepoFile(path="x.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)


def look(value: object, protocol: int = 4) -> Examination:
    raw = stream(value, protocol)
    return examine(file_of(raw), MemorySource(raw), Limits())


def ids(examined: Examination) -> set[str]:
    return {finding.rule.id for finding in examined.findings}


def said(examined: Examination) -> str:
    return "\n".join(finding.message for finding in examined.findings)


def uses(examined: Examination) -> dict[str, tuple[Use, Verdict]]:
    return {f"{item.module}.{item.name}": (item.use, item.verdict) for item in examined.imports}


# --- uses -------------------------------------------------------------------------------------------------------------


def test_reconstructor_constructs_its_argument() -> None:
    """copyreg's helper of old protocols counts as making the object."""
    examined = look(called(old("copy_reg", "_reconstructor"), new("acme", "A"), old("__builtin__", "object"), None), 2)
    assert (Use.STATE_SET, Verdict.UNKNOWN) == uses(examined)["acme.A"]
    assert {"pickle-unknown-import"} == ids(examined)


def test_newobj_by_copyreg_constructs_its_argument() -> None:
    """So do its other helpers, and state set on the result is the class's."""
    examined = look(built(called(new("copyreg", "__newobj__"), new("acme", "A")), {"x": 1}))
    assert (Use.STATE_SET, Verdict.UNKNOWN) == uses(examined)["acme.A"]


def test_the_new_method_of_a_safe_class_is_safe() -> None:
    """Protocol 2 pickles keyword arguments of `__new__` as a partial of the method."""
    new_method = called(GETATTR, new("decimal", "Decimal"), "__new__")
    assert set() == ids(look(called(called(new("functools", "partial"), new_method, new("decimal", "Decimal")), "1")))


def test_attributes_of_safe_things_are_not_safe_to_call() -> None:
    """A method of a known class is not known itself."""
    examined = look(called(called(GETATTR, new("pandas", "DataFrame"), "to_csv"), "/tmp/x"))
    assert UNKNOWN_CALL in ids(examined)


def test_a_method_of_an_instance_may_be_stored_but_not_called() -> None:
    """A bound method is data until something calls it."""
    bound = called(GETATTR, made(new("argparse", "Namespace")), "render")
    assert set() == ids(look(bound))
    assert "calls the result of builtins.getattr" in said(look(called(bound, 1)))


def test_an_attribute_under_a_computed_name() -> None:
    """An attribute's name that can't be told is as bad as an import's."""
    examined = look(called(GETATTR, new("collections", "OrderedDict"), called(new("time", "ctime"))))
    assert OBFUSCATED in ids(examined)


def test_elements_on_an_unknown_object() -> None:
    """Methods and state of what the file does not tell are calls of the unknown."""
    unknown = Ops(b"\x82\x05")
    for value in (Ops(unknown.code + b"Na"), built(unknown, 1), called(unknown, 1)):
        assert UNKNOWN_CALL in ids(look(value))


def test_a_torch_module_wrapper_is_its_class() -> None:
    """The legacy format names classes by persistent ids that carry the class."""
    wrapped = Ops(push(("module", new("torch.nn.modules.linear", "Linear"), "x.py", "source")) + b"Q")
    assert set() == ids(look(built(made(wrapped), {"in_features": 3})))


def test_calls_within_calls() -> None:
    """Wrappers of wrappers are followed to what they call."""
    wrapped = SYSTEM
    for _ in range(5):
        wrapped = called(new("functools", "partial"), wrapped)
    assert 'calls posix.system("echo aibom")' in said(look(called(wrapped, ECHO)))


def test_wrappers_without_end_are_not_followed() -> None:
    """Beyond a depth, nobody can tell."""
    wrapped = SYSTEM
    for _ in range(40):
        wrapped = called(new("functools", "partial"), wrapped)
    assert {DANGEROUS, UNKNOWN_CALL} <= ids(look(called(wrapped, ECHO)))


@pytest.mark.parametrize(
    "value",
    [
        called(new("builtins", "apply"), SYSTEM, (ECHO,)),
        called(new("builtins", "filter"), SYSTEM, [ECHO]),
        called(new("_operator", "call"), SYSTEM, ECHO),
        called(new("_functools", "reduce"), SYSTEM, [ECHO]),
        called(new("jax._src.array", "_reconstruct_array"), SYSTEM, (ECHO,), None, None),
        called(new("operator", "setitem"), new("os", "environ"), "A", "b"),
        called(new("builtins", "setattr"), new("collections", "OrderedDict"), "x", SYSTEM),
        called(new("builtins", "setattr"), made(new("argparse", "Namespace")), "__setstate__", SYSTEM),
        called(new("cloudpickle.cloudpickle", "subimport"), "os"),
        called(called(new("builtins", "getattr"), new("builtins", "__dict__"), "get"), "eval"),
        called(new("numpy.core", "_ufunc_reconstruct"), "os", "system"),
        called(called(new("operator", "attrgetter"), "a", "__globals__"), made(new("argparse", "Namespace"))),
        called(called(new("operator", "methodcaller"), "__reduce_ex__", 2), made(new("argparse", "Namespace"))),
        called(new("sklearn.utils", "os")),
        called(new("builtins", "__builtins__")),
        called(new("torch.nn", "Module.__init__.__globals__")),
    ],
)  # fmt: skip
def test_ways_around(value: Ops) -> None:
    """Helpers that call, fetch or set on behalf of the file are seen through."""
    assert DANGEROUS in ids(look(value))


def test_a_helper_with_a_computed_name() -> None:
    """numpy's helper that imports by name, given something that is no text."""
    assert OBFUSCATED in ids(look(called(new("numpy.core", "_ufunc_reconstruct"), "os", 5)))


def test_setting_harmless_attributes_of_a_made_class() -> None:
    """dill renames the classes that it makes."""
    value = called(new("builtins", "setattr"), called(new("dill._dill", "_create_type"), 1), "__qualname__", "X")
    assert {"pickle-embedded-code"} == ids(look(value))


def test_calling_a_constant_is_no_call() -> None:
    """The load would end with a TypeError; there is nothing to report."""
    assert set() == ids(look(called(text("x"), 1)))
    assert set() == ids(look(called(new("builtins", "map"), None, [])))


def test_state_with_callables_under_other_names_is_data() -> None:
    """Only names that Python looks up by itself make state act."""
    safe = built(made(new("argparse", "Namespace")), {"activation": new("torch.nn.functional", "relu"), "extend": 3})
    assert set() == ids(look(safe))
    assert HOOK in ids(look(built(made(new("argparse", "Namespace")), {"__class__": new("argparse", "Namespace")})))


def test_an_honest_name_that_is_put_together_is_still_odd() -> None:
    """Nobody computes the name of something harmless, but it is less bad."""
    joined = called(new("builtins", "str.join"), "", ["Ordered", "Dict"])
    (finding,) = [finding for finding in look(new("collections", joined)).findings if finding.rule.id == OBFUSCATED]
    assert Severity.HIGH == finding.severity


def test_a_method_of_a_text_that_can_not_be_evaluated() -> None:
    """A computation on text that is not known to be pure is told."""
    value = called(called(GETATTR, "{0.__class__}", "format"), 1)
    assert OBFUSCATED in ids(look(value))


def test_registered_extensions_are_resolved() -> None:
    """A code that the stream registers is what it registers."""
    value = then(called(new("copyreg", "add_extension"), "collections", "OrderedDict", 9), called(Ops(b"\x82\x09")))
    assert (Use.CALLED, Verdict.SAFE) == uses(look(value))["collections.OrderedDict"]


def test_enumerations_of_known_libraries_are_medium() -> None:
    """A class of a known library called with one plain value looks like a member of an enumeration."""
    (finding,) = look(called(new("timm.layers.something", "PoolKind"), "avg")).findings
    assert (UNKNOWN_CALL, Severity.MEDIUM) == (finding.rule.id, finding.severity)
    (finding,) = look(called(new("timm.layers.something", "PoolKind"), 1)).findings
    assert Severity.MEDIUM == finding.severity
    for odd in ("rm -rf /", ["avg"]):
        (finding,) = look(called(new("timm.layers.something", "PoolKind"), odd)).findings
        assert Severity.HIGH == finding.severity


def test_unknown_parts_of_the_standard_library() -> None:
    """What is not known of Python's own library is medium when it is referred to, high when it is called."""
    (finding,) = look(new("contextlib", "ExitStack")).findings
    assert Severity.MEDIUM == finding.severity
    (finding,) = look(called(new("contextlib", "ExitStack"))).findings
    assert Severity.HIGH == finding.severity


def test_functions_of_old_instances_are_called() -> None:
    """INST without arguments calls what is no class, and only a class is named like one."""
    raw = b"(iacme\nrun\n."
    examined = examine(file_of(raw), MemorySource(raw), Limits())
    assert UNKNOWN_CALL in ids(examined)
    raw = b"(iacme\nNet\n."
    assert {"pickle-unknown-import"} == ids(examine(file_of(raw), MemorySource(raw), Limits()))


def test_a_class_that_acts_when_it_is_made_may_be_referred_to() -> None:
    """An array that was mapped from a file names its class; making one opens a file."""
    array = called(new("numpy.core.multiarray", "_reconstruct"), new("numpy", "memmap"), (0,), b"b")
    assert set() == ids(look(array))
    assert DANGEROUS in ids(look(made(new("numpy", "memmap"), "/etc/passwd")))


def test_functions_handed_to_helpers_of_python_count_as_called() -> None:
    """Some of Python's own functions call what they are given."""
    assert UNKNOWN_CALL in ids(look(called(new("builtins", "iter"), new("acme", "f"), 1)))
    assert UNKNOWN_CALL in ids(look(called(new("itertools", "starmap"), new("builtins", "getattr"), [("a", "b")])))


def test_a_safe_thing_in_an_unsafe_use_is_medium() -> None:
    """What is safe to refer to is not known to be safe to construct."""
    (finding,) = look(made(new("numbers", "Number"))).findings
    assert Severity.MEDIUM == finding.severity
    assert "in a use that is not known to be harmless" in finding.message


# --- nested -----------------------------------------------------------------------------------------------------------


def test_a_nested_pickle_is_judged_by_its_content() -> None:
    """Loading harmless bytes is low, and the places of inner findings are in the outer file."""
    examined = look(called(new("pickle", "loads"), stream({"a": 1})))
    assert {NESTED} == ids(examined)
    inner = stream(called(SYSTEM, ECHO))
    raw = stream(called(new("pickle", "loads"), inner))
    (found,) = [f for f in examine(file_of(raw), MemorySource(raw), Limits()).findings if f.rule.id == DANGEROUS]
    assert found.location is not None
    assert raw.index(inner) + inner.index(b"R") == found.location.offset


def test_nested_pickles_stop_at_the_limit() -> None:
    """Beyond the depth that is looked at, the load is dangerous."""
    raw = stream(called(new("pickle", "loads"), stream(called(new("pickle", "loads"), stream(1)))))
    examined = examine(file_of(raw), MemorySource(raw), Limits(pickle_nesting=1))
    assert DANGEROUS in ids(examined)


# --- folding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args", "value"),
    [
        ("builtins.str.join", ["", ["a", "b"]], "ab"),
        ("builtins.str.replace", ["axb", "x", "-"], "a-b"),
        ("builtins.bytes.decode", [b"ab"], "ab"),
        ("builtins.bytes.fromhex", ["6f73"], b"os"),
        ("builtins.bytes", [[111, 115]], b"os"),
        ("builtins.bytes", ["os", "ascii"], b"os"),
        ("builtins.bytearray", [b"os"], b"os"),
        ("builtins.str", [b"os", "utf-8"], "os"),
        ("builtins.str", [5], "5"),
        ("builtins.chr", [111], "o"),
        ("builtins.reversed", ["so"], ["o", "s"]),
        ("builtins.tuple", [[1, "a"]], (1, "a")),
        ("builtins.str.swapcase", ["OS"], "os"),
        ("builtins.str.translate", ["ab", {97: "x"}], "xb"),
        ("builtins.str.__mod__", ["%s%s", ("o", "s")], "os"),
        ("builtins.str.__getitem__", ["xos", 1], "o"),
        ("_codecs.decode", ["bf", "rot13"], "os"),
        ("_codecs.encode", ["os", "latin1"], b"os"),
        ("_operator.getitem", [{"a": "os"}, "a"], "os"),
        ("_operator.add", [[1], [2]], [1, 2]),
        ("base64.b64decode", [base64.b64encode(b"os").decode()], b"os"),
        ("binascii.unhexlify", [b"6f73"], b"os"),
        ("zlib.decompress", [b"x\x9c\xcb/\x06\x00\x01S\x00\xe3"], b"os"),
    ],
)
def test_pure_functions_are_evaluated(function: str, args: list[object], value: object) -> None:
    """What is pure on constants gives its value."""
    assert value == evaluate(function, args)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("posix.getcwd", []),
        ("builtins.str.format", ["{0.__class__}", 1]),
        ("builtins.str.join", ["x" * 100, ["a"]]),
        ("builtins.str.replace", ["a", "a", "x" * 100]),
        ("builtins.str.__mod__", ["%9999d", 1]),
        ("builtins.str.join", ["", ["x" * (MOST + 1)]]),
        ("builtins.chr", [1 << 40]),
        ("builtins.chr", ["x"]),
        ("builtins.bytes", [5]),
        ("_codecs.decode", [b"x", "zlib"]),
        ("_codecs.encode", ["x", "no such codec"]),
        ("_operator.add", ["a", 1]),
        ("_operator.getitem", [5, 1]),
        ("_operator.getitem", [{"a": {1}}, "a"]),
        ("zlib.decompress", [b"no"]),
        ("builtins.str.nothing", ["x"]),
    ],
)
def test_everything_else_is_not_evaluated(function: str, args: list[object]) -> None:
    """Impure, wrong or big: not evaluated."""
    with pytest.raises(CannotFoldError):
        evaluate(function, args)


@pytest.mark.parametrize(
    "name",
    [
        called(new("_operator", "getitem"), ("x", "posix"), 1),
        called(new("_operator", "getitem"), {"k": b"posix", "j": "posix"}, "j"),
        called(called(new("functools", "partial"), new("builtins", "str.join"), ""), ["po", "six"]),
        called(called(new("operator", "methodcaller"), "decode"), b"posix"),
        called(called(new("builtins", "getattr"), b"posix", "decode")),
    ],
)
def test_names_are_read_through_wrappers(name: Ops) -> None:
    """A name that wrapped pure functions give is read."""
    examined = look(called(new(name, "system"), ECHO))
    assert OBFUSCATED in ids(examined)
    if "getattr" not in str(name.code):
        assert DANGEROUS in ids(examined)


@pytest.mark.parametrize("part", [Ops(b"\x97"), {"a": Ops(b"\x97")}, b"x" * 5000, {(1, Ops(b"]")): 2}, [[[[[["x"]]]]]]])
def test_names_of_unknown_parts_stay_unknown(part: object) -> None:
    """What is put together from something unknown can't be told."""
    name = called(new("_operator", "getitem"), part, "a")
    assert "can't be told" in said(look(called(new(name, "system"), ECHO)))


# --- the table --------------------------------------------------------------------------------------------------------


def rows(tmp_path: Path, *lines: str) -> object:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([",".join(COLUMNS), *lines]))
    return build_table(parse_rows(path, "t.csv", COLUMNS, required=("module", "names", "verdict", "source")))


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("a,b,good,,,,x",), "verdict is 'good'"),
        (("a,b,safe,maybe,,,x",), "role is 'maybe'"),
        (("a,b,dangerous,,harm,,x",), "effect is 'harm'"),
        (("a,b,safe,,,,x",), "a safe row has a role"),
        (("a,b,dangerous,,,,x",), "a safe row has a role"),
        (("a,b,family,call,,,x",), "only safe and dangerous rows have a role"),
        (("a,b,safe,call,,,x", "a,c b,safe,call,,,x"), "t.csv:3: a b stands here twice"),
        (("a.*,b,safe,call,,,x",), "a tree has names"),
        (("a.*,*,family,,,,x", "a.*,*,family,,,,x"), "t.csv:3: a.\\* stands here twice"),
        (("a,b,safe,call,,,",), "source is empty"),
    ],
)
def test_faulty_rows_are_refused(tmp_path: Path, lines: tuple[str, ...], fault: str) -> None:
    """A row that says nothing, or says it twice, is an error of ours that names its line."""
    with pytest.raises(DataError, match=fault):
        rows(tmp_path, *lines)


def test_the_most_specific_row_decides() -> None:
    """Exact names come before modules, modules before trees, inner trees before outer ones."""
    table = global_table()
    assert Standing.SAFE is _standing("os", "stat_result")
    assert Standing.DANGEROUS is _standing("os.path", "join")
    assert Standing.DANGEROUS is _standing("torch.hub", "load")
    assert Standing.FAMILY is _standing("torch.new.module", "X")
    assert None is table.find("acme.x", "Y")
    assert table.root("torch.x")
    assert not table.root("torchh.x")
    entry = table.find("posix", "system")
    assert entry is not None
    assert Effect.PROCESS is entry.effect


def _standing(module: str, name: str) -> Standing | None:
    entry = global_table().find(module, name)
    return entry.standing if entry else None


def test_every_module_of_the_standard_library_is_in_the_table() -> None:
    """No module of Python's library is a package that nobody knows."""
    import sys  # noqa: PLC0415 -- only here

    table = global_table()
    absent = [name for name in sys.stdlib_module_names if not table.root(name) and name != "__main__"]
    assert [] == absent


def test_nothing_that_acts_is_safe() -> None:
    """Callables that run, import, open or connect are not on the safe list, under any name they go by."""
    acting = (
        "os.system posix.execv subprocess.run builtins.eval builtins.open io.open _io.FileIO importlib.import_module "
        "runpy.run_module socket.socket ctypes.CDLL pty.spawn shutil.rmtree torch.load numpy.load joblib.load "
        "pandas.read_pickle pickle.load marshal.loads types.FunctionType codecs.open typing.get_type_hints"
    )
    assert {Standing.DANGEROUS} == {_standing(*path.split(".")) for path in acting.split()}


def test_python2_names_agree_with_python() -> None:
    """The map of names is the one that Python's own unpickler uses."""
    import _compat_pickle  # noqa: PLC0415 -- a private module, only here

    for (module, name), modern in _compat_pickle.NAME_MAPPING.items():
        assert modern == modern_name(module, name)
    for module, new_module in _compat_pickle.IMPORT_MAPPING.items():
        assert (new_module, "x") == modern_name(module, "x")


def test_judged_globals_are_judged() -> None:
    """Every global that depends on its arguments has arguments with which it is dangerous."""
    table = global_table()
    judged = [path for path, entry in table.exact.items() if entry.role is SafeRole.JUDGED]
    hostile: list[tuple[object, ...]] = [
        (SYSTEM, ECHO),
        (SYSTEM, [ECHO], (ECHO,)),
        ("posix", "system"),
        (new("os", "x"), "__class__", 1),
        ("X", (), {}),
        ("os", "system", 5),
        (b"no pickle",),
        ("CodeType",),
    ]
    for module, name in judged:
        worst = [finding for args in hostile for finding in look(called(new(module, name), *args)).findings]
        assert any(finding.severity.at_least(Severity.HIGH) for finding in worst), (module, name)


# --- triage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x80\x04",
        b"\x80\x06N.",
        b"\x80\x04X\xff\xff\xff\x7fabc",
        b"\x80\x04" + push(b"x" * 300)[:-5],
        b"\x80\x04\x82\x01.",
        b"\x80\x04\xff.",
        b"ca\n",
        b"c\xff\nx\n.",
        b"cacme\nf\n.",
        b"c" + b"a" * 600 + b"\nx\n.",
        stream(new("collections", "OrderedDict")),
        framed(text("abc"), 1 << 20),
        b"\x80\x04\x95\x40\x00\x00\x00\x00\x00\x00\x00\x95\x01" + bytes(7) + b"N.",
        stream(old("operator", "attrgetter")),
        stream(old("builtins", "getattr")),
        stream(old("torch.nn.modules.linear", "Linear"), 2),
    ],
)
def test_triage_leaves_what_is_not_certain(raw: bytes) -> None:
    """Broken, odd, computed or not inert: the full walk decides."""
    assert None is settle(file_of(raw), MemorySource(raw), Limits())


def test_triage_settles_checkpoints() -> None:
    """A checkpoint of tensors, of any size, in one or several streams, is settled."""
    tensor = called(
        old("torch._utils", "_rebuild_tensor_v2"),
        Ops(push(("storage", old("torch", "FloatStorage"), "0", "cpu", 6)) + b"Q"), 0, (2, 3), (3, 1), 0,
        called(old("collections", "OrderedDict")),
    )  # fmt: skip
    raw = stream([tensor] * 5000, 2) + framed([b"x" * 1_000_000, "y" * 1000]) + stream(old("__builtin__", "set"), 2)
    settled = settle(file_of(raw), MemorySource(raw), Limits())
    assert settled is not None
    assert 3 == len(settled.ends)
    assert len(raw) == settled.ends[-1]
    assert {Verdict.SAFE} == {item.verdict for item in settled.imports}
    assert "builtins.set" in uses(settled)


def test_triage_counts_streams() -> None:
    """More streams than the limit are left to the full walk."""
    raw = stream([]) * 5
    assert None is settle(file_of(raw), MemorySource(raw), Limits(pickle_streams=3))


def test_triage_over_windows() -> None:
    """Windows end anywhere without harm."""
    raw = stream([f"{i} " + "x" * (i % 200) for i in range(20_000)])
    settled = triage(Window(MemorySource(raw)), 0, lambda *_: True)
    assert settled is not None
    assert len(raw) == settled.end


# --- trailing ---------------------------------------------------------------------------------------------------------


def test_trailing_bytes_beyond_the_limit_are_said() -> None:
    """More bytes than are searched make the search incomplete."""
    raw = b"N." + bytes(1000)
    trailing = look_after(file_of(raw), MemorySource(raw), Limits(pickle_bytes=100), 2)
    assert not trailing.complete
    assert "inspection-incomplete" in {finding.rule.id for finding in trailing.findings}


def test_trailing_candidates_are_bounded() -> None:
    """Bytes full of beginnings end the search, and say so."""
    raw = b"N." + b"\x80\x04N\xff" * 6000
    assert not look_after(file_of(raw), MemorySource(raw), Limits(), 2).complete


def test_a_source_that_shrinks_ends_the_search() -> None:
    """A file that gets shorter while it is read is searched as far as it goes."""

    class Shrinking(MemorySource):
        def read_at(self, offset: int, length: int) -> bytes:
            return b""

    raw = b"N." + bytes(100)
    assert look_after(file_of(raw), Shrinking(raw), Limits(), 2).complete


# --- cost -------------------------------------------------------------------------------------------------------------

MANY = 20_000


@pytest.mark.parametrize(
    "raw",
    [
        push({f"k{i}": i for i in range(10_000)}) + b"q\x000cargparse\nNamespace\n)\x81" + b"h\x00b" * MANY + b".",
        b"cargparse\nNamespace\n)\x81" + b"Nb" * MANY + b".",
        b"ccollections\ndeque\n)R" + b"Na" * MANY + b"(NNe.",
        b"ccollections\nOrderedDict\n)R" + b"NNs" * MANY + b".",
        push(tuple(range(4000))) + b"q\x000cacme\nf\nq\x010" + b"h\x01h\x00R0" * MANY + b"N.",
        push(["a"] * 4000) + b"q\x000cbuiltins\nstr.join\nq\x01(Vx\nh\x00tq\x020" + b"h\x01h\x02R0" * MANY + b"N.",
        push(tuple(f"a{i}" for i in range(5000)))
        + b"q\x050coperator\nattrgetter\nh\x05Rq\x000"
        + b"h\x00)R0" * MANY
        + b"N.",
        push("x") + push(".".join("a" * 30_000)) + b"\x93.",
        push(".".join("a" * 30_000)) + push("x") + b"\x93.",
        b"".join(b"cm%d\nx\n0" % i for i in range(MANY)) + b"N.",
        b"".join(b"\x84" + i.to_bytes(4, "little") + b"0" for i in range(1, MANY)) + b"N.",
        b"cpickle\nloads\nq\x000" + push((stream([1] * 3000),)) + b"q\x010" + b"h\x00h\x01R0" * MANY + b"N.",
        b"cacme\nf\n)R0]q\x01" + b"".join(b"](h%ch%ceq%c" % (i, i, i + 1) for i in range(1, 60)) + b".",
        b"cacme\nf\n)R0]q\x00h\x00a.",
        b"cacme\nf\nN" + b"\x85" * 100_000 + b"R.",
        b"N." + (b"\x80\x04N0" + b"]" * 100 + b"\xff") * 2000,
    ],
)
def test_work_grows_with_the_file_only(raw: bytes) -> None:
    """Streams that ask for the same work again and again, or for work that multiplies, are answered at once."""
    started = time.process_time()
    look_at = RepoFile(path="x.pkl", size=len(raw), format=Format.PICKLE, role=Role.WEIGHTS)
    inspect(look_at, MemorySource(b"\x80\x04" + raw), Limits())
    assert 20 > time.process_time() - started


# --- second opinion ---------------------------------------------------------------------------------------------------


def test_a_second_opinion_names_what_we_do_not_know() -> None:
    """fickling's dangerous import that our table does not know is a finding."""
    raw = stream(called(new("contextlib", "nullcontext"), 1))
    (finding,) = examine(file_of(raw), MemorySource(raw), Limits()).findings
    assert "nullcontext" in finding.evidence[-1]
    opinion = pickle_second_opinion.Opinion(code="x", dangers=("from acme import f", "eval(...)"))
    found = _with_opinion(opinion)
    assert "pickle-second-opinion" in {finding.rule.id for finding in found}
    assert "fickling calls `from acme import f` dangerous" in "".join(finding.message for finding in found)


def _with_opinion(opinion: pickle_second_opinion.Opinion | None) -> list[Finding]:
    examined = look(called(new("acme", "f"), 1))
    return pickle_second_opinion.compare(file_of(b""), opinion, examined.findings, examined.imports, start=0)


def test_an_opinion_that_can_not_be_had_changes_nothing() -> None:
    """Where fickling fails, our findings stand as they are."""
    assert None is pickle_second_opinion.read_as_python(b"\xff\xff")
    examined = look(called(new("acme", "f"), 1))
    assert list(examined.findings) == _with_opinion(None)


def test_large_streams_get_no_second_opinion() -> None:
    """fickling is slow, so it reads small streams only."""
    examined = look([*([1] * 25_000), called(SYSTEM, ECHO)])
    assert not any("decompiled" in item for finding in examined.findings for item in finding.evidence)


# --- words ------------------------------------------------------------------------------------------------------------


def test_values_are_put_into_words() -> None:
    """Every kind of node has a short form on one line."""
    call = Call(Global("a", "b", 0), (), None, How.CALL, 0)
    shown = value_text([None, True, 1, call])
    assert "[None, True, 1, a.b(…)]" == shown
    assert "(1, 2, 3, 4, …)" == value_text((1, 2, 3, 4, 5))
    assert "[1, …]" == value_text([1, SetOf([])])
    assert '{"a": 1, …}' == value_text(Dict(["a", 1, "b", 2, "c", 3, "d", 4, "e", 5])).replace(
        ', "b": 2, "c": 3, "d": 4', ""
    )
    assert "<5 bytes of text>" == value_text(Blob(0, 5, text=True))
    assert 'b"os"' == value_text(b"os")
    assert "a huge integer" == value_text(1 << 5000)
    assert "…" == value_text(Unknown("x", 0))
    assert "f(…)" == call_text("f", Unknown("x", 0))
    assert "f(1, 2, 3, 4, …)" == call_text("f", (1, 2, 3, 4, 5))
    assert '"say \\"x\\""' == value_text('say "x"')


def test_broken_streams_keep_what_they_told() -> None:
    """Findings before a fault are kept, and coverage is partial."""
    raw = stream(called(SYSTEM, ECHO))[:-1] + b"\xff"
    examined = examine(file_of(raw), MemorySource(raw), Limits())
    assert {DANGEROUS, MALFORMED} == ids(examined)
    assert Coverage.PARTIAL == examined.coverage
    assert examined.fault is not None
    assert len(raw) - 1 == examined.fault.offset


def test_values_and_streams_are_chosen_by_the_caller() -> None:
    """A caller may ask for some streams only, from anywhere, with their values."""
    raw = b"xx" + stream([1]) + stream([2]) + stream([3])
    examined = examine(file_of(raw), MemorySource(raw), Limits(), start=2, values=True, streams=2)
    assert ([1], [2]) == examined.roots
    assert 2 == len(examined.ends)
    assert examined.ends[-1] == len(raw) - len(stream([3]))

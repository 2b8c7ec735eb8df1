"""A pickle is known whatever its protocol and name; a text or random bytes are never taken for one."""

import io
import pickle
import pickletools
import string
from random import Random

import pytest
from fixtures.hostile_headers import RUNS
from fixtures.weights import state_dict_pickle
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.files import Format
from aibom.formats import recognize
from aibom.formats.pickle_probe import walk
from aibom.sources.bytesource import MemorySource

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def known(name: str, content: bytes) -> Format:
    return recognize(name, content[:4096], len(content), MemorySource(content))


@given(PLAIN, st.integers(0, 5))
@settings(max_examples=200)
def test_every_pickle_of_plain_data_is_known(value: object, protocol: int) -> None:
    """What pickle.dumps writes is a pickle under a pickle's name, in every protocol."""
    raw = pickle.dumps(value, protocol)
    assert known("data.pkl", raw) is (Format.JOBLIB if b"joblib.numpy_pickle" in raw else Format.PICKLE)


@given(PLAIN.filter(lambda value: isinstance(value, list | dict) and value), st.integers(0, 5))
@settings(max_examples=100)
def test_containers_are_known_under_any_name(value: object, protocol: int) -> None:
    """A pickled list or dictionary is known without the help of its name."""
    assert known("notes.md", pickle.dumps(value, protocol)) is Format.PICKLE


OBJECTS = [complex(1, 2), {1, 2}, frozenset({3}), range(3), slice(1), bytearray(b"x"), Format.PICKLE, ValueError("x")]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", OBJECTS, ids=repr)
def test_objects_are_known_under_any_name(value: object, protocol: int) -> None:
    """Whatever imports and calls is known under any name."""
    assert known("notes.md", pickle.dumps(value, protocol)) is Format.PICKLE


ACTING = {
    "global": RUNS,
    "marked": b"(S'echo aibom'\niposix\nsystem\n.",
    "object": b"(cposix\nsystem\nS'echo aibom'\no.",
    "broken-after": RUNS[:-1] + b"\xff\xfe garbage",
    "no-stop": RUNS[:-1],
    "popped-first": b"N0I5\n0" + RUNS,
    "nothing-done-often": b"N0" * 20_000 + RUNS,
    "marks-opened-and-closed": b"(1" * 20_000 + RUNS,
    "values-left": b"N" * 100_000 + RUNS,
    "one-long-line": b"V" + b"a" * 10_000_000 + b"\n0" + RUNS,
    "many-long-lines": (b"V" + b"a" * 70_000 + b"\n0") * 130 + RUNS,
    "supplied": b"Pmodule os.system\n(S'echo aibom'\ntR.",
    "supplied-binary": b"S'module os.system'\nQ(S'echo aibom'\ntR.",
    "supplied-names": b"Pmodule\nPname\n\x93(S'echo aibom'\ntR.",
    "padded": b"V" + b"words " * 100_000 + b"\n0" + RUNS,
    "padded-binary": b"X" + (500_000).to_bytes(4, "little") + b"x" * 500_000 + b"0" + RUNS,
    "stack-global": b"\x8c\x05posix\x8c\x06system\x93(S'echo aibom'\ntR.",
    "memo": b"cposix\nsystem\np0\n0g0\n(S'echo aibom'\ntR.",
    "memoized": b"\x8c\x05posix\x94\x8c\x06system\x94h\x00h\x01\x93(S'echo aibom'\ntR.",
    "duplicated": b"cposix\nsystem\n2(S'echo aibom'\ntR.",
    "new-object": b"cposix\nsystem\n)\x81.",
    "new-object-ex": b"cposix\nsystem\n)}\x92.",
    "extension-called": b"\x82\x01)R.",
    "frame": b"\x95" + (40).to_bytes(8, "little") + RUNS,
    "proto-inside": b"N0\x80\x02" + RUNS,
    "carriage-return": b"cposix\nsystem\n(S'echo aibom'\r\ntR.",
    "mark-popped": b"(1" + RUNS,
    "long": b"L5L\n0F1.5\n0" + RUNS,
    "set": b"(I1\n\x91" + b"0" + RUNS,
    "additems": b"\x8f(I1\n\x90" + b"0" + RUNS,
    "persistent": b"Pid\n0" + RUNS,
}


@pytest.mark.parametrize("name", ACTING)
@pytest.mark.parametrize("file_name", ["model.safetensors", "README.md", "weights"])
def test_payloads_are_known_under_any_name(name: str, file_name: str) -> None:
    """Bytes on which an unpickler acts are a pickle, also without a header, behind padding and before garbage."""
    assert known(file_name, ACTING[name]) is Format.PICKLE


def test_torch_and_joblib_leave_their_marks() -> None:
    """Pickles of torch's old format begin with its number, joblib's name its own class."""
    number = 0x1950A86A20F9469CFC6C
    for protocol in (0, 2, 3, 4, 5):
        assert known("a.pt", pickle.dumps(number, protocol) + pickle.dumps({}, protocol)) is Format.PYTORCH_LEGACY
    assert known("a.bin", b"\x80\x04\x8c\x13joblib.numpy_pickle\x8c\x01x\x93.") is Format.JOBLIB
    assert known("a", state_dict_pickle({"w": ("F32", (2,))})) is Format.PICKLE


TEXTS = [
    "", "N.", "I5\n.", "Git 1.5.2.1", "CMP0018\n-------\n", "Version 1.0.\n", "]", "}.", "(a b c)", "0", "N" * 300,
    "cat\ndog\nrat\n", "cos\nsin\ntan\n", "import os\nos.system\n", "c\nd\n", "V1.\n", "F1.5\n.", "L12\n.",
    "Sometimes 'quoted'\n.", "Please note.\n", "gone\n", "((((((((((((", "]]]]]]]]]]]]", "1. First\n2. Second\n",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_ordinary_texts_are_no_pickles(text: str) -> None:
    """Texts that begin with opcodes stop making sense before anything happens."""
    assert known("notes.txt", text.encode()) in {Format.TEXT, Format.EMPTY}


@given(st.lists(st.text(string.ascii_letters + string.digits + " .,()'\"-", max_size=40), max_size=30))
@settings(max_examples=200)
def test_lines_of_words_are_no_pickles(lines: list[str]) -> None:
    """Lines of words, numbers and punctuation are not taken for a pickle, unless they are one: `J00`, `0q0.`."""
    raw = "\n".join(lines).encode()
    assert known("notes.txt", raw) is not Format.PICKLE or is_whole_pickle(raw)


def is_whole_pickle(raw: bytes) -> bool:
    try:
        return [opcode.name for opcode, _, _ in pickletools.genops(raw)][-1] == "STOP"
    except ValueError:
        return False


@pytest.mark.parametrize("name", ["weights.bin", "a.npy", "x"])
def test_random_bytes_are_no_pickles(name: str) -> None:
    """Random bytes are not taken for a pickle, unless they are one: a few bytes of a count, so many bytes, a stop."""
    random = Random(name)  # noqa: S311 -- the same bytes in every run
    for _ in range(500):
        content = random.randbytes(random.randint(64, 2000))
        if content[:1] != b"\x80":
            assert known(name, content) is not Format.PICKLE or is_whole_pickle(content)


@given(st.lists(st.sampled_from([*b"(.012abcdefghijlopqrstuIJKLMNFGSVXTBCPQR]})", *range(0x80, 0x99)]), max_size=300),
       st.binary(max_size=50))  # fmt: skip
@settings(max_examples=200)
def test_any_opcodes_are_walked_without_an_error(opcodes: list[int], tail: bytes) -> None:
    """Streams made of opcodes alone end the walk in good order."""
    content = bytes(opcodes) + tail
    assert walk(content, MemorySource(content)).ops <= len(content)
    assert walk(content).outcome in {"broken", "stopped", "endless"}


def test_a_long_pickle_is_known_before_its_end() -> None:
    """A stream longer than the walk's budget is known by its structure."""
    out = io.BytesIO()
    pickle.Pickler(out, 0).dump({f"key{number}": number for number in range(40_000)})
    assert known("vocab.txt", out.getvalue()) is Format.PICKLE


def test_endless_lines_end_the_walk() -> None:
    """A first line of many megabytes is not followed beyond the budget."""
    content = b"V" + b"x" * (20 * 1024 * 1024)
    data = MemorySource(content)
    reads = 0
    read_at = data.read_at

    def counting(offset: int, length: int) -> bytes:
        nonlocal reads
        reads += length
        return read_at(offset, length)

    data.read_at = counting  # type: ignore[method-assign]
    assert recognize("a.txt", content[:4096], len(content), data) is Format.TEXT
    assert reads <= 64 * 1024 * 1024


def test_padding_without_end_is_not_taken_for_a_text() -> None:
    """Where the budget ends before the opcodes do, the file is left to the inspector of pickles."""
    content = b"N0" * 300_000
    assert known("notes.md", content) is Format.PICKLE


def test_a_line_without_end_is_a_text() -> None:
    """A text of one long line is none of a pickle's: the unpickler would read it to the end and stop."""
    assert known("notes.md", b"Very " * 1_000_000) is Format.MARKDOWN

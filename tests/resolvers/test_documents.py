"""Text, JSON and TOML of strangers are read within bounds."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibom.errors import FileFault, LimitExceeded, MalformedFile
from aibom.limits import Limits
from aibom.resolvers.documents import Text, mapping, parse_json, parse_toml, printable, read_text, texts
from aibom.sources.bytesource import MemorySource

LIMITS = Limits()


def read(data: bytes, limit: int = 1000) -> Text:
    return read_text("f", MemorySource(data), limit)


def test_utf8_is_read_as_it_is() -> None:
    """Plain UTF-8 keeps its text and raises no flag."""
    text = read("naïve\n".encode())
    assert (text.text, text.encoding, text.bom, text.crlf, text.lossy, text.truncated) == (
        "naïve\n", "utf-8", False, False, False, False,
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_byte_order_marks_are_followed(encoding: str) -> None:
    """A byte order mark decides how the text is decoded."""
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    text = read(mark + "licence: é".encode(encoding))
    assert ("licence: é", True) == (text.text, text.bom)


def test_other_bytes_are_replaced_and_said() -> None:
    """Bytes that are no UTF-8 become replacement characters, and the text says that it lost some."""
    text = read(b"caf\xe9\n")
    assert ("caf\ufffd\n", True) == (text.text, text.lossy)


@pytest.mark.parametrize("raw", [b"a\r\nb\rc\n", b"a\nb\nc\n"])
def test_line_ends_become_line_feeds(raw: bytes) -> None:
    """CRLF and lone CR are line ends."""
    assert read(raw).text == "a\nb\nc\n"


def test_a_character_cut_by_the_limit_is_no_fault() -> None:
    """The limit may cut a character in half; that is not a wrong encoding."""
    text = read("aé".encode(), limit=2)
    assert ("a", True, False) == (text.text, text.truncated, text.lossy)


def test_json_keeps_the_last_of_two_keys_and_names_them() -> None:
    """A key that stands twice in one object is named; the last value counts, as for most readers."""
    document = parse_json('{"a": 1, "b": {"a": 2}, "a": 3}', LIMITS)
    assert {"a": 3, "b": {"a": 2}} == document.value
    assert document.duplicates == ("a",)


@pytest.mark.parametrize("text", ["{", "[1,]", "nul", '{"a" 1}', "1" * 5000, "", '"\x01"'])
def test_what_is_no_json_is_malformed(text: str) -> None:
    """A syntax fault, and a number of more digits than Python converts, is malformed."""
    with pytest.raises(MalformedFile, match="not JSON"):
        parse_json(text, LIMITS)


def test_deep_json_is_refused_before_it_is_parsed() -> None:
    """Nesting is counted before the recursive parser sees the text."""
    with pytest.raises(LimitExceeded, match="deeper than 100"):
        parse_json("[" * 100_000, LIMITS)
    assert parse_json('["' + "[" * 500 + '"]', LIMITS).value == ["[" * 500]


def test_long_json_is_refused() -> None:
    """JSON longer than the limit is not parsed."""
    with pytest.raises(LimitExceeded, match="limit 10"):
        parse_json('"aaaaaaaaaaaaaa"', Limits(json_bytes=10))


def test_lone_surrogates_do_not_survive() -> None:
    """What no encoding can write is replaced in keys, values and lists."""
    value = parse_json(r'{"\ud800": ["\udc00", {"a": "\ud83d\ude00"}], "n": 1}', LIMITS).value
    assert {"\ufffd": ["\ufffd", {"a": "😀"}], "n": 1} == value
    assert parse_json(r'{"\ud800": 1, "\ud800": 2}', LIMITS).duplicates == ("\ufffd",)


def test_toml_is_parsed() -> None:
    """TOML becomes tables."""
    assert parse_toml('[a]\nb = "["', LIMITS) == {"a": {"b": "["}}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a = [" * 200, LimitExceeded),
        ("a = " + "[" * 200, LimitExceeded),
        (".".join("a" * 50) + " = 1", LimitExceeded),
        ("a = 1\na = 2", MalformedFile),
        ("a = 'open", MalformedFile),
    ],
)
def test_toml_has_bounds(text: str, error: type[FileFault]) -> None:
    """Depth, parts of a key and syntax are checked."""
    with pytest.raises(error):
        parse_toml(text, LIMITS)


def test_long_toml_is_refused() -> None:
    """TOML longer than the limit is not parsed."""
    with pytest.raises(LimitExceeded):
        parse_toml("a = 1", Limits(text_bytes=2))


def test_hostile_strings_are_scanned_in_linear_time() -> None:
    """Strings left open, and brackets by the hundred thousand, end the scan at once."""
    with pytest.raises(MalformedFile):
        parse_json('"' + '\\"' * 300_000, LIMITS)
    with pytest.raises(FileFault):
        parse_toml('"' * 300_000, LIMITS)
    with pytest.raises(FileFault):
        parse_toml("a" * 500_000, LIMITS)


def test_small_readers_take_what_fits() -> None:
    """`mapping` and `texts` drop what has another shape."""
    assert mapping([1]) == {}
    assert texts(["a", 1, " b ", ""]) == ("a", "b")
    assert texts("  ") == ()
    assert texts({"a": 1}) == ()
    assert printable("a\ud800") == "a\ufffd"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=100)
def test_json_of_any_content_round_trips(value: object) -> None:
    """Whatever JSON can say is read back, but for what no encoding can write."""
    again = parse_json(json.dumps(value), LIMITS).value
    assert json.dumps(again).encode("utf-8")


@given(st.text(st.sampled_from("{}[]\",:\\u0d8 1\n.='#ab"), max_size=60))
@settings(max_examples=200)
def test_any_text_raises_only_faults(text: str) -> None:
    """JSON and TOML readers raise nothing but the two faults."""
    for parse in (parse_json, parse_toml):
        with contextlib.suppress(FileFault):
            parse(text, LIMITS)

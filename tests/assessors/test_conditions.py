"""Conditions follow Kleene's logic, and estimates are compared as intervals."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibom.assessors.compute import Policy, compare, declared, from_hardware, from_table, from_tokens, near, summed
from aibom.assessors.conditions import (
    All,
    Any,
    Compare,
    Concluded,
    Condition,
    Known,
    Mentions,
    Near,
    Not,
    Op,
    Operand,
    Phrase,
    Present,
    Ratio,
)
from aibom.assessors.facts import Estimate, Fact, Facts, Passage, Value
from aibom.assessors.judgement import Context, judge, mentions
from aibom.findings import Evidence
from aibom.report import Strength

POLICY = Policy(margin=0.3, factors={"Confident": 3, "Likely": 10}, utilization=(0.25, 0.5, 0.55))
TRUE, FALSE, UNKNOWN = (
    Compare("access.paid", Op.EQ, value=True),
    Compare("card.present", Op.EQ, value=True),
    Compare("chat.template", Op.EQ, value=True),
)
FACTS_3 = Facts({"access.paid": Fact(value=True), "card.present": Fact(value=False)})


def value(condition: Condition, facts: Facts = FACTS_3) -> bool | None:
    return judge(condition, Context(facts)).value


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (All((TRUE, TRUE)), True),
        (All((TRUE, FALSE)), False),
        (All((TRUE, UNKNOWN)), None),
        (All((FALSE, UNKNOWN)), False),
        (Any((FALSE, FALSE)), False),
        (Any((TRUE, UNKNOWN)), True),
        (Any((FALSE, UNKNOWN)), None),
        (Not(TRUE), False),
        (Not(FALSE), True),
        (Not(UNKNOWN), None),
        (Known("access.paid"), True),
        (Known("chat.template"), False),
        (Present("access.paid"), True),
        (Present("card.present"), False),
        (Present("chat.template"), None),
    ],
)
def test_kleene_tables(condition: Condition, expected: bool | None) -> None:
    """One unknown part makes the whole unknown unless another part decides alone."""
    assert value(condition) is expected


leaves = st.sampled_from([TRUE, FALSE, UNKNOWN])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Any(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=8,
)


@given(trees)
def test_unknown_is_settled_by_no_completion_wrongly(condition: Condition) -> None:
    """What is true or false with a fact missing stays so whatever the fact turns out to be."""
    before = value(condition)
    completed = {
        value(condition, Facts({**FACTS_3.known, "chat.template": Fact(value=answer)})) for answer in (True, False)
    }
    assert before is None or completed == {before}


@given(trees)
def test_de_morgan(condition: Condition) -> None:
    """Not all is any not."""
    assert value(Not(All((condition, UNKNOWN)))) == value(Any((Not(condition), Not(UNKNOWN))))


def test_missing_facts_are_named() -> None:
    """An unknown judgement says which facts it lacks; a settled one by an absent document says so too."""
    assert judge(All((TRUE, UNKNOWN)), Context(FACTS_3)).missing == ("chat.template",)
    assert judge(All((Present("card.present"), UNKNOWN)), Context(FACTS_3)).missing == ("card.present", "chat.template")


@pytest.mark.parametrize(
    ("op", "operand", "complete", "expected"),
    [
        (Op.CONTAINS, {"a"}, True, True),
        (Op.CONTAINS, {"c"}, True, False),
        (Op.CONTAINS, {"c"}, False, None),
        (Op.INTERSECTS, {"b", "c"}, False, True),
        (Op.INTERSECTS, {"c"}, True, False),
        (Op.INTERSECTS, {"c"}, False, None),
        (Op.DISJOINT, {"a"}, False, False),
        (Op.DISJOINT, {"c"}, True, True),
        (Op.DISJOINT, {"c"}, False, None),
        (Op.WITHIN, {"a", "b", "c"}, True, True),
        (Op.WITHIN, {"a"}, False, False),
        (Op.WITHIN, {"a", "b"}, False, None),
        (Op.EQ, {"a", "b"}, True, True),
        (Op.EQ, {"a", "b"}, False, None),
    ],
)
def test_sets_that_may_hold_more_are_unknown_beyond_what_was_seen(
    op: Op, operand: set[str], complete: bool, expected: bool | None
) -> None:
    """A set that was not seen whole settles only what was seen."""
    facts = Facts({"arch.classes": Fact(value=frozenset({"a", "b"}), complete=complete)})
    assert value(Compare("arch.classes", op, frozenset(operand)), facts) is expected


@pytest.mark.parametrize(
    ("name", "held", "op", "operand", "expected"),
    [
        ("params.total", 5.0, Op.GT, 4, True),
        ("params.total", 5.0, Op.GE, 5, True),
        ("params.total", 5.0, Op.LT, 5, False),
        ("params.total", 5.0, Op.LE, 5, True),
        ("params.total", 5.0, Op.NE, 5, False),
        ("task", "a", Op.IN, frozenset({"a"}), True),
        ("task", "a", Op.NE, "b", True),
        ("release.date", dt.date(2025, 1, 1), Op.LT, dt.date(2025, 8, 2), True),
        ("release.date", dt.date(2025, 8, 2), Op.GE, dt.date(2025, 8, 2), True),
        ("task", "a", Op.LT, "b", None),
    ],
)
def test_comparisons(name: str, held: Value, op: Op, operand: Operand, expected: bool | None) -> None:
    """Numbers, words and days compare as they should; what can't be ordered is unknown."""
    assert value(Compare(name, op, operand), Facts({name: Fact(value=held)})) is expected


def test_earlier_findings_can_be_asked_for() -> None:
    """A finding is found by pattern, with one of the strengths."""
    context = Context(Facts(), {"annex/a": Strength.SUGGESTS})
    assert judge(Concluded("annex/*", frozenset({Strength.SUGGESTS})), context).value is True
    assert judge(Concluded("annex/*", frozenset({Strength.INDICATES})), context).value is False


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("Credit scoring here", "credit scor*", True),
        ("credit-scoring", "credit scor*", True),
        ("discredit scoring", "credit scor*", False),
        ("scandal", "scan", False),
        ("a scan.", "scan", True),
        ("SCAN_ME", "scan", True),
        ("c++ (x)", "c++", True),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
    ],
)
def test_words_are_literal_and_bounded(text: str, word: str, expected: bool) -> None:
    """A word is matched at its bounds, whatever its case, and never as a pattern."""
    assert mentions(text, Phrase(((word,),))) is expected


def _text(*sentences: str, complete: bool = True) -> Facts:
    passages = tuple(Passage(text=item, evidence=Evidence(statement=item)) for item in sentences)
    return Facts({"card.use": Fact(value=passages, complete=complete)})


def test_near_words_must_stand_in_one_passage() -> None:
    """Two words in two sentences are not near."""
    condition = Mentions(("card.use",), (Phrase((("rank*",), ("candidate*",))),))
    assert value(condition, _text("ranks candidates")) is True
    assert value(condition, _text("ranks pages", "names candidates")) is False
    assert value(condition, _text("ranks pages", complete=False)) is None
    assert value(condition, Facts()) is None


def test_excluded_words_and_hits() -> None:
    """A passage with an excluded word does not count, and hits count different phrases."""
    words = tuple(Phrase(((word,),)) for word in ("sad", "angry", "happy"))
    assert value(Mentions(("card.use",), words, hits=2), _text("sad", "sad", "angry")) is True
    assert value(Mentions(("card.use",), words, hits=2), _text("sad", "sad")) is False
    assert value(Mentions(("card.use",), words, (Phrase((("not",),)),)), _text("not sad")) is False
    assert value(Mentions(("card.use",), ()), _text("x")) is False


# --- compute ----------------------------------------------------------------------------------------------------------

T = 1e23


def outside(flop: float, confidence: str = "Confident") -> Estimate:
    return from_table(flop, confidence, POLICY, "table", ())


@pytest.mark.parametrize(
    ("estimates", "above", "close"),
    [
        ([declared(2e23, POLICY, ())], True, False),
        ([declared(1.1e23, POLICY, ())], True, True),
        ([declared(9.3e22, POLICY, ())], False, True),
        ([declared(5e22, POLICY, ())], False, False),
        ([declared(5e22, POLICY, ()), declared(5e23, POLICY, ())], True, True),
        ([outside(4e23)], True, False),
        ([outside(1.5e23)], None, False),
        ([outside(2e22)], False, False),
        ([outside(2e24, "Likely"), declared(5e22, POLICY, ())], False, False),
        ([from_hardware(1e5, 1e15, POLICY, (), accelerator="X")], None, True),
        ([from_hardware(1e5, 1e15, POLICY, (), accelerator="X"), declared(5e22, POLICY, ())], False, False),
        ([from_hardware(1e5, 1e15, POLICY, (), accelerator="X", utilization=0.3)], True, True),
        ([from_hardware(1e7, 1e15, POLICY, (), accelerator="X", at_most=True)], None, False),
        ([declared(5e24, POLICY, (), doubtful=True)], None, False),
        ([declared(5e21, POLICY, (), doubtful=True)], False, False),
        ([from_table(1.2e23, "Disclosed", POLICY, "table", ())], True, True),
    ],
)
def test_estimates_against_a_threshold(estimates: list[Estimate], above: bool | None, close: bool) -> None:
    """Intervals decide, then disclosed values, then nothing; nearness is said of what decides."""
    assert (above, close) == (compare(estimates, T).above, near(estimates, T))


@given(st.lists(st.floats(1e18, 1e28), min_size=1, max_size=5))
def test_the_largest_disclosed_estimate_decides_upwards(values: list[float]) -> None:
    """One disclosed estimate wholly above the threshold is never outvoted."""
    estimates = [declared(item, POLICY, ()) for item in values]
    if any(item * 0.7 > T for item in values):
        assert compare(estimates, T).above is True
    if all(item * 1.3 <= T for item in values):
        assert compare(estimates, T).above is False


def test_a_sum_is_as_certain_as_its_least_certain_part() -> None:
    """Bounds add up, and one guess makes the sum a guess."""
    total = summed([declared(1e23, POLICY, ()), outside(1e23)], "both")
    assert (2e23, False) == (total.flop, total.disclosed)
    assert total.low == pytest.approx(0.7e23 + 1e23 / 3)


def test_six_times_parameters_times_tokens() -> None:
    """C = 6·N·D, with 30 % either way."""
    estimate = from_tokens(7e9, 15e12, POLICY, (), active=False)
    assert estimate.flop == pytest.approx(6.3e23)
    assert [estimate.low, estimate.high] == pytest.approx([4.41e23, 8.19e23])


def test_near_and_ratio_are_unknown_without_estimates() -> None:
    """Without an amount nothing is near and nothing is a third."""
    assert value(Near("training.compute", T)) is None
    assert value(Ratio("lineage.own-compute", "lineage.base-compute", 0.33)) is None


@pytest.mark.parametrize(("own", "expected"), [(1e21, False), (1e24, True), (4e22, True), (3e22, False)])
def test_one_third_by_interval_then_by_value(own: float, expected: bool) -> None:
    """The ratio is settled by intervals, and by the values where all inputs are disclosed."""
    facts = Facts(
        {
            "lineage.own-compute": Fact(value=(declared(own, POLICY, ()),)),
            "lineage.base-compute": Fact(value=(declared(1e23, POLICY, ()),)),
        }
    )
    assert value(Ratio("lineage.own-compute", "lineage.base-compute", 1 / 3), facts) is expected


def test_a_fact_that_no_book_may_name_is_a_bug() -> None:
    """Names of facts are closed: a wrong one is an error, not unknown."""
    with pytest.raises(KeyError):
        Facts()["nonsense"]

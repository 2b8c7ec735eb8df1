from __future__ import annotations

from itertools import accumulate, cycle, islice

from hypothesis import given
from hypothesis import strategies as st

from aibom.sources.strides import MOST_GUESSES, Strides


def noted(places: list[int]) -> Strides:
    strides = Strides()
    for place in places:
        strides.note(place)
    return strides


@given(st.lists(st.integers(1, 1000).map(lambda n: n * 10_000), min_size=1, max_size=4), st.integers(0, 1_000_000))
def test_a_cycle_that_was_seen_often_enough_goes_on(steps: list[int], start: int) -> None:
    """Whatever the distances are, once they have repeated the next places are those of the next turn."""
    places = list(accumulate(islice(cycle(steps), 60), initial=start))
    strides = noted(places[:31])
    assert places[31:39] == strides.foresee()


@given(st.lists(st.integers(0, 1 << 40), max_size=40))
def test_any_places_are_borne(places: list[int]) -> None:
    """What is foreseen lies behind the last place and is bounded, whatever was seen."""
    strides = Strides()
    for place in places:
        strides.note(place)
        ahead = strides.foresee()
        assert len(ahead) <= MOST_GUESSES
        assert sorted(ahead) == ahead
        assert all(guess > place for guess in ahead)


def test_distances_that_differ_foresee_nothing() -> None:
    """Nothing is guessed from steps that have not repeated."""
    assert [] == noted([0, 1000, 5000, 20_000, 90_000]).foresee()
    assert [] == noted([0, 1000, 2000]).foresee()


def test_a_right_guess_is_followed_by_a_longer_one() -> None:
    """Guesses double while they are right, and begin small again after a wrong one."""
    strides = noted(list(range(0, 30_001, 5000)))
    first = strides.foresee()
    assert [35_000, 70_000, 8] == [first[0], first[-1], len(first)]
    strides.note(75_001)
    assert 16 == len(strides.foresee())
    strides.note(500_000)
    assert [] == strides.foresee()


def test_after_three_wrong_guesses_none_is_made() -> None:
    """A reader that is no reader of chains is left alone."""
    strides = Strides()
    for turn in range(3):
        for number in range(7):
            strides.note(turn * 1_000_000 + number * 5000)
        assert 8 == len(strides.foresee())
    strides.note(9_000_000)
    for number in range(9):
        strides.note(10_000_000 + number * 5000)
    assert [] == strides.foresee()

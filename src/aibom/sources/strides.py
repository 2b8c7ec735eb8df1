"""Foresee where a reader looks next that follows a chain through a file.

Formats that link their parts (ONNX with inline weights) tell only at one part where the next begins, so that each
request waits for the one before. But models repeat their layers, so the distances repeat too: once they have, the
next places can be asked for side by side.
"""

from __future__ import annotations

_LONGEST_PERIOD = 16
# Four matrices of the same size in a row are an attention block, and say nothing of what follows it.
_LEAST_STEPS = 6
# A name with one digit more moves what follows by a byte or two: distances are alike, rarely the same.
_ALIKE = 256
_FIRST_GUESSES = 8
MOST_GUESSES = 64
_MOST_WRONG = 3


class Strides:
    """The places at which a reader had to wait, in bytes from the start of the file, each behind the one before."""

    def __init__(self) -> None:
        self._places: list[int] = []
        self._guessed = 0
        self._guesses = _FIRST_GUESSES
        self._wrong = 0

    def note(self, place: int) -> None:
        """Remember where the reader had to wait now. What was foreseen is judged by it."""
        if self._guessed:
            # All that was foreseen has been used if the reader waits again one step behind the last of it.
            expected = self._next(1)
            if expected and abs(expected[0] - place) <= _ALIKE * self._guessed:
                self._guesses = min(self._guesses * 2, MOST_GUESSES)
                self._correct(place - expected[0])
            else:
                self._wrong += 1
                self._guesses = _FIRST_GUESSES
                self._places.clear()
            self._guessed = 0
        if self._places and place <= self._places[-1]:
            self._places.clear()
        self._places.append(place)
        del self._places[: -4 * MOST_GUESSES]

    def _correct(self, drift: int) -> None:
        # What the guesses were wrong by in the end came bit by bit: left in the last step, it would be repeated.
        first = len(self._places) - self._guessed
        for number in range(1, self._guessed + 1):
            self._places[first + number - 1] += drift * number // (self._guessed + 1)

    def foresee(self) -> list[int]:
        """Return the places that come next, none where the distances do not repeat."""
        if self._wrong >= _MOST_WRONG:
            return []
        places = self._next(self._guesses)
        self._guessed = len(places)
        self._places += places
        return places

    def _next(self, count: int) -> list[int]:
        steps = [after - before for before, after in zip(self._places, self._places[1:], strict=False)]
        for period in range(1, _LONGEST_PERIOD + 1):
            seen = max(2 * period, _LEAST_STEPS)
            if len(steps) < seen:
                return []
            last = steps[-seen:]
            if all(abs(one - other) <= _ALIKE for one, other in zip(last, last[period:], strict=False)):
                cycle = steps[-period:]
                place = self._places[-1]
                return [place := place + cycle[number % period] for number in range(count)]
        return []

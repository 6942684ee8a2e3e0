"""The size of images that a server takes, learnt from requests that it found too large."""

from __future__ import annotations

import threading

from rankkit_vlm_judge.calls import Call
from rankkit_vlm_judge.images import EncodedImage
from rankkit_vlm_judge.questions import Asked

SMALLEST = 64  # pixels of the longer side below which images are not made smaller
STEP = 0.7  # of both sides from one request to the next: half as many tokens
SIMILAR = 1000  # characters of text in which questions may differ and still need about the same room


class Sizes:
    """The longer side of images, at most, of questions with so much text. Thread-safe.

    A size that a question with a long text needed says nothing of questions with a shorter one.
    """

    def __init__(self) -> None:
        self._learnt: dict[int, int] = {}
        self._full: dict[object, str] = {}
        self._lock = threading.Lock()

    def limit(self, question: Asked) -> int | None:
        """The longer side that images of this question may have, None where nothing is known against any."""
        length = _length(question)
        with self._lock:
            return min((side for least, side in self._learnt.items() if least <= length), default=None)

    def learn(self, question: Asked, side: int) -> None:
        """The server took this question with images of this size, and did not with larger ones."""
        length = _length(question)
        with self._lock:
            self._learnt[length] = min(side, self._learnt.get(length, side))

    def give_up(self, call: Call, why: str) -> None:
        """Even the smallest images left no room beside this call's text."""
        with self._lock:
            self._full[_words(call)] = why

    def given_up(self, call: Call) -> str | None:
        """Why a call with this text need not be made, if one was given up."""
        with self._lock:
            return self._full.get(_words(call))

    @property
    def smallest(self) -> int | None:
        """The smallest of all that were learnt."""
        with self._lock:
            return min(self._learnt.values(), default=None)


def next_smaller(shown: int) -> int | None:
    """The longer side to try after this one; None where the images are as small as they are made."""
    return max(SMALLEST, int(STEP * shown)) if shown > SMALLEST else None


def largest_side(question: Asked, side: int | None) -> int:
    """The longer side of the largest image of a question, where none may have more than `side` pixels."""
    return max((max(at_most(image, side).image.size) for image in question.images()), default=0)


def at_most(image: EncodedImage, side: int | None) -> EncodedImage:
    """An image at no more than so many pixels of its longer side."""
    return image if side is None or side >= image.side else image.smaller(side)


def _texts(question: Asked) -> list[str]:
    return [question.system, *(part for part in question.parts if isinstance(part, str))]


def _length(question: Asked) -> int:
    return sum(map(len, _texts(question))) // SIMILAR


def _words(call: Call) -> object:
    return (*_texts(call.question), call.form, call.max_tokens)

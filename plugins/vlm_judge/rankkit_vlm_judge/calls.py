"""One call to a model, and who makes it: the seam between what is asked and how it gets there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rankkit_vlm_judge.questions import FORCED, Asked
from rankkit_vlm_judge.replies import Reply


@dataclass(frozen=True, slots=True)
class Call:
    """A question in the form it is put.

    With log-probabilities of one token, or for a text of at most `max_tokens` tokens.

    `bound`: whoever answers may be kept from saying anything but a label, where that is possible.
    """

    question: Asked
    form: str = FORCED
    max_tokens: int = 1
    logprobs: bool = True
    bound: bool = False


class Transport(Protocol):
    """Whoever answers calls: a server, or a model in this process.

    `model` is what the answers belong to, as exactly as it is known (name and revision). `logprobs`: whether
    it answers our own questions by their labels' log-probabilities; `reported`: whether it gives any at all.
    """

    model: str
    logprobs: bool
    reported: bool

    @property
    def changes(self) -> Mapping[str, object]:
        """What was sent otherwise than it was asked for, for the rows."""
        ...

    def replies(self, calls: Sequence[Call]) -> Iterator[tuple[int, Reply]]:
        """The replies with the places of their calls, as they come.

        Raises `RunStopped` after the last one there will be.
        """
        ...

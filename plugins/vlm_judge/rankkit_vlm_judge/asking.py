"""Questions to verdicts, by way of a cache.

What is known is not asked; what fails is asked once more in another form; every answer is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from rankkit import Ranking, RankkitError, RunStopped
from rankkit_vlm_judge.cache import Cache, key
from rankkit_vlm_judge.calls import Call, Transport
from rankkit_vlm_judge.questions import FORCED, REASONED, TERSE, Asked, Question
from rankkit_vlm_judge.replies import Judgement, Reply, from_text, from_top
from rankkit_vlm_judge.verdicts import spoken

Mode = Literal["auto", "logprob", "text"]

SHORT, TINY = 512, 16  # tokens for a reasoned answer at first, and for a label alone

Step = Literal["forced", "reasoned", "longer", "terse"]
"""A form in which a question is put: for one token's log-probabilities, in words, with more room, tersely."""


Q = TypeVar("Q", bound=Asked)


class Remembering(Generic[Q]):
    """Gets verdicts from a transport, each of them once: what the cache knows is not asked.

    `mode` is in words how is asked, which is part of what an answer is kept under.
    """

    def __init__(self, transport: Transport, cache: Cache, mode: str) -> None:
        self.transport, self.cache, self.mode = transport, cache, mode
        self.stopped: RunStopped | None = None

    @property
    def whom(self) -> dict[str, object]:
        """The model that answers, as exactly as it is known, and how it is asked: for the rows."""
        return {"model": self.transport.model, "asked_for": self.mode, **self.transport.changes}

    def verdicts(self, questions: Sequence[Q], *, again: bool = False) -> list[Judgement]:
        """One verdict per question; with `again` those of asking once more, which are kept beside the first.

        A question that occurs twice is asked once. Raises `RunStopped` where answers are missing for good.
        """
        mode = f"{self.mode}; again" if again else self.mode
        keys = [key(self.transport.model, mode, question) for question in questions]
        known = {each: found for each in dict.fromkeys(keys) if (found := self.cache.get(each)) is not None}
        open_ = {each: question for each, question in zip(keys, questions, strict=True) if each not in known}
        if open_ and self.stopped is not None:
            raise self.stopped
        try:
            self._ask(open_, known)
        except RunStopped as stopped:
            self.stopped = (
                stopped if self.cache.path else RunStopped(f"{stopped} (but no single verdict: cache=none)")
            )
            raise self.stopped from None
        return [known[each] for each in keys]

    def _ask(self, open_: Mapping[str, Q], known: dict[str, Judgement]) -> None:
        """Settle every open question, and put the verdicts with the known ones and into the cache."""
        raise AssertionError(f"{type(self).__name__} must define _ask()")


def told(rankings: Sequence[Ranking], asker: Remembering[Any]) -> list[Ranking]:
    """Rankings whose details also say which model judged, and how it was asked."""
    return [
        replace(each, details=tuple({**found, **asker.whom} for found in each.details)) for each in rankings
    ]


class Asker(Remembering[Question]):
    """Asks a question of our own in the form that has an answer.

    `mode` auto: log-probabilities where there are any, and text where those say nothing. `longest`: tokens
    that an answer in words may have. `said` is what else decides an answer.
    """

    def __init__(
        self,
        transport: Transport,
        cache: Cache,
        mode: Mode = "auto",
        longest: int = 2048,
        said: Sequence[str] = (),
    ) -> None:
        if mode == "logprob" and not transport.logprobs:
            raise RankkitError(
                f"{transport.model} gives no log-probabilities of its answers; use mode=text, or mode=auto"
            )
        self.longest = longest
        forced = "logprob" if mode == "logprob" else "logprob, else text"
        self.form = "text" if mode == "text" or not transport.logprobs else forced
        super().__init__(transport, cache, "; ".join([self.form, *said]))

    def _ask(self, open_: Mapping[str, Question], known: dict[str, Judgement]) -> None:
        """Rounds of calls until every question is settled.

        Each round settles some, and leaves the others for another form.
        """
        first: Step = "reasoned" if self.form == "text" else "forced"
        waiting = {each: _Pending(question, first) for each, question in open_.items()}
        while waiting:
            names = list(waiting)
            again: dict[str, _Pending] = {}
            calls = [self._call(waiting[name]) for name in names]
            for place, reply in self.transport.replies(calls):
                pending = waiting[names[place]]
                verdict = pending.read(reply)
                step = self._next(pending, verdict)
                if step is not None:
                    thinks = pending.thinks or reply.thought or spoken(reply.text) != reply.text
                    again[names[place]] = replace(pending, step=step, tokens=verdict.tokens, thinks=thinks)
                else:
                    known[names[place]] = verdict
                    self.cache.put(names[place], self.transport.model, self.mode, verdict)
            waiting = {name: again[name] for name in names if name in again}

    def _next(self, pending: _Pending, verdict: Judgement) -> Step | None:
        """The form in which a question is put again after this verdict, if it is."""
        if verdict.outcome == "low_mass" and self.form != "logprob":
            return "reasoned"
        if verdict.outcome == "unparsed" and pending.step != "terse":
            return "terse"
        if verdict.outcome == "truncated" and pending.step == "reasoned" and self.longest > SHORT:
            return "longer"
        return None

    def _call(self, pending: _Pending) -> Call:
        """A question in its present form; a model that thinks first is given room for that in each."""
        question = pending.question
        if pending.step == "forced":
            return Call(question, FORCED, 1, True)
        if pending.step == "terse":
            return Call(question, TERSE, self.longest if pending.thinks else TINY, False, bound=True)
        longest = self.longest if pending.step == "longer" else min(SHORT, self.longest)
        return Call(question, REASONED, longest, False)


@dataclass(frozen=True)
class _Pending:
    """A question that is being asked, in the form it is in, and what earlier forms have cost."""

    question: Question
    step: Step
    tokens: int = 0
    thinks: bool = False

    def read(self, reply: Reply) -> Judgement:
        if reply.failure is not None:
            return Judgement(reply.failure, error=reply.error, tokens=self.tokens)
        verdict = (from_top if self.step == "forced" else from_text)(reply, self.question.labels)
        return replace(verdict, tokens=verdict.tokens + self.tokens)

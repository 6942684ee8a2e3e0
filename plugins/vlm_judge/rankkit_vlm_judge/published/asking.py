"""Published questions to verdicts: each is asked once, in its own words, and read in one way."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from rankkit import RankkitError, Scored
from rankkit.plugin import with_defaults
from rankkit_vlm_judge.asking import Remembering
from rankkit_vlm_judge.calls import Call, Transport
from rankkit_vlm_judge.connect import answers, decided, reach
from rankkit_vlm_judge.options import Connection, check
from rankkit_vlm_judge.published.questions import Published
from rankkit_vlm_judge.replies import Judgement, Outcome, Reply


class PublishedAsker(Remembering[Published]):
    """Asks a transport published questions, and remembers. An answer may have `longest` tokens."""

    def __init__(self, transport: Transport, options: Connection, *, what: str) -> None:
        self.longest = options["max_answer_tokens"]
        super().__init__(transport, answers(options), "; ".join([what, *decided(options)]))

    def _ask(self, open_: Mapping[str, Published], known: dict[str, Judgement]) -> None:
        """One call for every question."""
        names = list(open_)
        calls = [
            Call(each, "", 1 if each.answers else self.longest, bool(each.answers)) for each in open_.values()
        ]
        for place, reply in self.transport.replies(calls):
            verdict = _read(open_[names[place]], reply)
            known[names[place]] = verdict
            self.cache.put(names[place], self.transport.model, self.mode, verdict)


def ask_for_probabilities(
    given: Connection, *, local: Callable[..., Transport] | None = None
) -> PublishedAsker:
    """Whom to ask questions that the probability of an answer decides. Raises `RankkitError` where a server
    gives none.
    """
    options = with_defaults(Connection, given)
    check(options)
    transport = reach(options, logprobs=True, local=local)
    if not transport.reported:
        raise RankkitError(
            f"{transport.model} gives no log-probabilities of its answers, of which this score is made; "
            "load a model here with model= and without url=, or use a server that gives them (vLLM, SGLang, "
            "llama-server)"
        )
    return PublishedAsker(transport, options, what="probabilities")


def ask_for_words(given: Connection) -> PublishedAsker:
    """Whom to ask questions that are answered in words."""
    options = with_defaults(Connection, given)
    check(options)
    return PublishedAsker(reach(options, logprobs=False), options, what="words")


def abstention(verdict: Judgement, details: Mapping[str, Any]) -> Scored:
    """No score, and why: what went wrong, in a word as ``failure`` and whole as ``error``.

    A kept answer may have been read less strictly when it came.
    """
    failure: Outcome = verdict.outcome
    why = verdict.error
    if failure == "ok":
        failure = "unparsed"
        why = f"an answer that was kept earlier says nothing as it is read now: {verdict.text[-300:]!r}"
    return Scored(math.nan, details={**details, "error": f"{failure}: {why}", "failure": failure})


def version(*words: str) -> str:
    """Eight hex digits that change with the wording of questions: part of a ranker's version."""
    return "questions." + hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]


def _read(question: Published, reply: Reply) -> Judgement:
    if reply.failure is not None:
        return Judgement(reply.failure, error=reply.error, tokens=reply.tokens)
    return question.read(reply)

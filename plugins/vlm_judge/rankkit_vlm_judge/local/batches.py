"""Calls in batches to a model in this process, as many as the budget and the memory allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from rankkit import RunStopped
from rankkit_vlm_judge.budget import Budget, Usage
from rankkit_vlm_judge.calls import Call
from rankkit_vlm_judge.local.inputs import Inputs, Prepared
from rankkit_vlm_judge.replies import Reply


class InProcess:
    """A transport whose model is here, so that its log-probabilities are too.

    Who derives from it sets `inputs`, `device` and `model`, and answers a batch in `_forced`, `_written`.
    """

    logprobs = reported = True
    changes: Mapping[str, object] = {}
    inputs: Inputs
    device: torch.device
    model: str

    def __init__(self, budget: Budget, batch_size: int) -> None:
        self.budget, self.batch_size = budget, batch_size

    def replies(self, calls: Sequence[Call]) -> Iterator[tuple[int, Reply]]:
        """Replies to calls; those of one form and about one length go together.

        Each is taken out of the budget before its batch is run.
        """
        ready: list[tuple[int, Call, Prepared]] = []
        for place, call in enumerate(calls):
            try:
                ready.append((place, call, self.inputs.prepare(call.question, call.form)))
            except (ValueError, RuntimeError) as error:  # an image or a caption that this model cannot take
                yield place, Reply(failure="rejected", error=f"{type(error).__name__}: {error}")
        ready.sort(key=lambda each: (each[1].logprobs, each[1].max_tokens, each[2].length))
        while ready:
            size = self._claim(ready)
            batch, ready = ready[:size], ready[size:]
            for (place, _, _), reply in zip(batch, self._run(batch), strict=True):
                self.budget.settle(Usage(either=reply.tokens))
                yield place, reply

    def _claim(self, ready: Sequence[tuple[int, Call, Prepared]]) -> int:
        """How many of these can be run together now.

        Of the form of the first, within the batch size and the budget.
        """
        form = (ready[0][1].logprobs, ready[0][1].max_tokens)
        for size, (_, call, _) in enumerate(ready[: self.batch_size]):
            if (call.logprobs, call.max_tokens) != form:
                return size
            try:
                self.budget.claim()
            except RunStopped:
                if size == 0:
                    raise
                return size
        return min(len(ready), self.batch_size)

    def _run(self, batch: Sequence[tuple[int, Call, Prepared]]) -> list[Reply]:
        """One batch; where memory does not suffice, its halves."""
        answer = self._forced if batch[0][1].logprobs else self._written
        try:
            with torch.inference_mode():
                return answer([call for _, call, _ in batch], [prepared for _, _, prepared in batch])
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                return [
                    Reply(
                        failure="oversized",
                        error=f"{self.device} has too little memory for one question: {error}",
                    )
                ]
        torch.cuda.empty_cache()
        half = len(batch) // 2
        return self._run(batch[:half]) + self._run(batch[half:])

    def _forced(self, calls: Sequence[Call], prepared: Sequence[Prepared]) -> list[Reply]:
        """Log-probabilities of the answers as the next token."""
        raise AssertionError(f"{type(self).__name__} must define _forced()")

    def _written(self, calls: Sequence[Call], prepared: Sequence[Prepared]) -> list[Reply]:
        """Texts."""
        raise AssertionError(f"{type(self).__name__} must define _written()")

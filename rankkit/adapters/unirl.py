"""UniRL: a scorer of its reward service, ``unirl-reward-service`` 0.1.0, June 2026 (1a7b501).

That is in github.com/Tencent-Hunyuan/UniRL. In a module that its ``SCORER_MODULES`` names:

    from reward_service.scorers.registry import register
    from rankkit.adapters import unirl

    register("sharpness", unirl.scorer("sharpness"))

The service takes NaN for a value that is not to be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rankkit.adapters.judge import Judge
from rankkit.core.types import Ranker
from rankkit.errors import UsageError

__all__ = ["scorer"]


def scorer(ranker: str | Ranker) -> type[Any]:
    """A class with `score(items)`, as its ``BaseScorer``; of each item the last turn counts."""
    judge = Judge(ranker)

    class RankkitScorer:
        """Scores by a ranker of rankkit."""

        name = judge.name
        sub_metric_names = (judge.name,)

        def score(self, items: Sequence[Any]) -> list[dict[str, float]]:
            """One score each; NaN where the ranker abstained."""
            turns = [item.history[-1] for item in items]
            if any(image is None for _, image in turns):
                raise UsageError("a request's last turn has no image, and rankkit ranks images")
            prompts, images = [text for text, _ in turns], [image for _, image in turns]
            scores, _ = judge.scores(images, prompts, [item.metadata for item in items])
            return [{judge.name: score} for score in scores]

        def close(self) -> None:
            """Nothing is held that need be given back."""

    return RankkitScorer

"""Flow-GRPO: rewards as in ``flow_grpo/rewards.py`` of github.com/yifan123/flow_grpo, July 2025 (ac4c86e).

Its trainers know no abstention: the NaN of one image reaches the advantages of its whole group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rankkit.adapters.judge import Judge
from rankkit.core.types import Ranker

__all__ = ["multi_score", "reward"]

Scores = np.ndarray[Any, np.dtype[np.float32]]
Reward = Callable[[Any, Sequence[str], Any], tuple[Scores, dict[str, Any]]]


def reward(ranker: str | Ranker) -> Reward:
    """A function ``(images, prompts, metadata) -> (scores, info)``, one of its `score_functions`.

    `info["errors"]` says of each image why its score is NaN, or None.
    """
    return _reward(Judge(ranker))


def multi_score(ranker: str | Ranker) -> Callable[..., tuple[dict[str, Scores], dict[str, Any]]]:
    """A whole `reward_fn`, as ``multi_score`` makes it: scores by the ranker's name and as "avg"."""
    judge = Judge(ranker)
    function = _reward(judge)

    def rankkit_multi_score(
        images: Any, prompts: Sequence[str], metadata: Any = None, only_strict: bool = True
    ) -> tuple[dict[str, Scores], dict[str, Any]]:
        scores, info = function(images, prompts, metadata)
        return {judge.name: scores, "avg": scores}, info

    return rankkit_multi_score


def _reward(judge: Judge) -> Reward:
    def rankkit_reward(images: Any, prompts: Sequence[str], metadata: Any) -> tuple[Scores, dict[str, Any]]:
        scores, errors = judge.scores(images, prompts, metadata)
        return np.asarray(scores, dtype=np.float32), {"errors": errors}

    return rankkit_reward

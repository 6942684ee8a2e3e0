"""verl-omni: a ``compute_score`` for images, as ``verl_omni/reward_loop/reward_manager/visual.py`` calls it.

That of github.com/verl-project/verl-omni, August 2026 (a1139ba): ``compute_score(data_source, solution_image,
ground_truth, extra_info, **kwargs)`` gives a dict with "score"; `solution_image` is a uint8 tensor (3, H, W)
or (1, 3, H, W), `ground_truth` the prompt. It knows no abstention: NaN reaches the advantages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rankkit.adapters.judge import Judge
from rankkit.core.types import Ranker
from rankkit.errors import UsageError

__all__ = ["compute_score"]


def compute_score(ranker: str | Ranker) -> Callable[..., dict[str, Any]]:
    """A function for `reward.custom_reward_function`, to be given a name in a module of yours.

    It gives "score", NaN where there is none, and "error", which says why, or nothing. The ranker is a
    pointwise one, as there is one image in each call.
    """
    judge = Judge(ranker)
    judge.need_pointwise("verl-omni")

    def rankkit_compute_score(
        data_source: str,
        solution_image: Any,
        ground_truth: str | None,
        extra_info: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        if len(solution_image.shape) == 4 and len(solution_image) != 1:
            raise UsageError(f"solution_image holds {len(solution_image)} frames, and rankkit ranks images")
        (score,), (error,) = judge.scores(solution_image, [ground_truth or ""], extra_info)
        return {"score": score, "error": error or ""}

    return rankkit_compute_score

"""DDPO: the reward function of github.com/kvablack/ddpo-pytorch (1958463) and of TRL's DDPOTrainer.

TRL had that trainer up to 0.23; both are on diffusers and call ``(images, prompts, metadata)`` with a tensor
of floats (N, 3, H, W), and want ``(rewards, info)``. They know no abstention: the NaN of one image reaches
the advantages of all that are normalized with it. Each call holds different prompts: give a pointwise ranker.
"""

from __future__ import annotations

from rankkit.adapters.flow_grpo import Reward
from rankkit.adapters.flow_grpo import reward as flow_grpo_reward
from rankkit.core.types import Ranker

__all__ = ["reward"]


def reward(ranker: str | Ranker) -> Reward:
    """A function ``(images, prompts, metadata) -> (rewards, info)``; `info["errors"]` says why one is NaN."""
    return flow_grpo_reward(ranker)

"""DiffusionNFT: rewards as in its ``flow_grpo/rewards.py``, github.com/NVlabs/DiffusionNFT of September 2025.

That is commit 24af555. It has taken them over from Flow-GRPO: ``reward`` for its `score_functions`,
``multi_score`` for `reward_fn` and `eval_reward_fn` of ``scripts/train_nft_sd3.py``. It knows no abstention
either.
"""

from rankkit.adapters.flow_grpo import multi_score, reward

__all__ = ["multi_score", "reward"]

"""Any ranker as the reward function of another trainer: one trainer per file, named after it.

Nothing of the trainers is imported here; each file says which published signature it has. An image without a
score is NaN, or None where the trainer knows that: never 0, which would be a reward.

>>> from rankkit.adapters import flow_grpo
>>> reward = flow_grpo.reward("sharpness")
"""

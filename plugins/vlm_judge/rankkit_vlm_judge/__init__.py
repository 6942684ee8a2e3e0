"""Rankers that ask a vision-language model which image is better, or whether one shows its prompt."""

from rankkit_vlm_judge.published import EditScore, GenEval2, UnifiedReward, UnifiedRewardPair, VqaScore
from rankkit_vlm_judge.rankers import VlmJudge, Vqa

__all__ = ["EditScore", "GenEval2", "UnifiedReward", "UnifiedRewardPair", "VlmJudge", "Vqa", "VqaScore"]

"""Rankers that ask as somebody else has published it: in those words, and reading answers in that way.

The words are those that a model was trained on, or that a measure is defined by; nothing is added to them.
"""

from rankkit_vlm_judge.published.editscore import EditScore
from rankkit_vlm_judge.published.geneval2 import GenEval2
from rankkit_vlm_judge.published.unifiedreward import UnifiedReward, UnifiedRewardPair
from rankkit_vlm_judge.published.vqascore import VqaScore

__all__ = ["EditScore", "GenEval2", "UnifiedReward", "UnifiedRewardPair", "VqaScore"]

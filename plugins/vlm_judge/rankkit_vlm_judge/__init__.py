"""Rankers that ask a vision-language model:
`VlmJudge` compares two images, `Vqa` asks whether one shows its prompt.
"""

from rankkit_vlm_judge.rankers import VlmJudge, Vqa

__all__ = ["VlmJudge", "Vqa"]

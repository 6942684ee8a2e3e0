"""A model loaded in this process: its weights, and questions as it takes them. Needs torch, transformers."""

from rankkit_vlm_judge.local.model import Local
from rankkit_vlm_judge.local.source import ModelSource, locate

__all__ = ["Local", "ModelSource", "locate"]

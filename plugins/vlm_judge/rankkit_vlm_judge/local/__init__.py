"""A model loaded in this process: its weights, and questions as it takes them. Needs torch, transformers."""

from rankkit_vlm_judge.local.model import Local

__all__ = ["Local"]

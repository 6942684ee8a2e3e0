"""LoRA weights in files: those that a run saved, and those of others, merged into a model before training.

The libraries leave out what does not fit, draw what is missing at random, and pass over a strength that they
cannot place, with a warning at most: here a file is taken whole, or refused.
"""

from drpo.generators._lora.merge import merge
from drpo.generators._lora.saved import load

__all__ = ["load", "merge"]

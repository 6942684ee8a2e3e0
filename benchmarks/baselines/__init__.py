"""What else one could do: other ways to finetune a one-step generator, a short file each, over drpo's own
generator, prompts, noises, LoRA, optimizer and number of generated images. Nothing here goes into drpo.

To add one, write a file with `update(visit)` and `METHOD` (imitate `best_of_k`), and name it here.
"""

from __future__ import annotations

from benchmarks.baselines import best_of_k, dpo, draft, grpo, pso, vggflow
from benchmarks.baselines.loop import Diverged, Learner, Method, Visit

METHODS: dict[str, Method] = {
    "draft": draft.METHOD,
    "vggflow": vggflow.METHOD,
    "dpo": dpo.METHOD,
    "pso": pso.METHOD,
    "grpo": grpo.METHOD,
    "best_of_k": best_of_k.METHOD,
}

__all__ = ["METHODS", "Diverged", "Learner", "Method", "Visit"]

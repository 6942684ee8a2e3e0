"""Weights drawn by name: every environment that knows the keys and shapes of a model holds the same numbers.

Nobody needs the published weights to prove that two implementations agree: on the same drawn weights they
must give the same scores.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import numpy as np
import torch


def draw(shapes: Mapping[str, tuple[int, ...]], seed: int = 0, gain: float = 1.0) -> dict[str, torch.Tensor]:
    """A float32 tensor for every key, drawn from a standard normal and scaled to keep signals alive.

    The generator is numpy's, seeded by seed and key.

    Matrices have the standard deviation gain/√(fan in), norms are 1 ± 0.1, biases ± 0.1, and ``logit_scale``
    is ln 100.
    """
    return {
        key: torch.from_numpy(_one(key, tuple(shape), seed, gain)) for key, shape in sorted(shapes.items())
    }


def digest(state: Mapping[str, torch.Tensor]) -> str:
    """sha256 of keys, shapes and float32 bytes: equal where two environments hold the same weights."""
    found = hashlib.sha256()
    for key in sorted(state):
        found.update(
            f"{key}{tuple(state[key].shape)}".encode()
            + state[key].to(torch.float32).contiguous().numpy().tobytes()
        )
    return found.hexdigest()


def _one(
    key: str, shape: tuple[int, ...], seed: int, gain: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    if key.endswith("logit_scale"):
        return np.full(shape, math.log(100), np.float32)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8], "big"))
    normal = rng.standard_normal(shape, np.float32)
    if len(shape) > 1:
        return np.asarray(normal * np.float32(gain / math.sqrt(math.prod(shape[1:]))), np.float32)
    return np.asarray(1 + 0.1 * normal if key.endswith("weight") else 0.1 * normal, np.float32)

"""The values that a field of the config takes where they are few: no torch, so that help needs none."""

from __future__ import annotations

from typing import Literal

Kernel = Literal["laplacian", "rbf", "cosine"]
Field = Literal["official", "self_excluding", "masked"]
Scheduler = Literal["own", "euler", "lcm", "tcd"]
Prediction = Literal["own", "epsilon", "sample", "v_prediction"]

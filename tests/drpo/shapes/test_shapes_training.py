"""The benchmark of training: what an arm hears, and what its curve is."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.training import Watched, arms, interval
from drpo.shapes.detector import Shapes
from drpo.shapes.render import Thing, images
from rankkit import Group

GROUP = Group(
    "a photo of a red circle",
    tuple(images([(Thing("circle", "red", 16, 16),), (Thing("circle", "blue", 16, 16),)])),
)


@pytest.mark.parametrize("arm", arms(0))
def test_the_curve_of_every_arm_is_the_rankers_own_mean_score(arm: str) -> None:
    watched = Watched(Shapes(), arms(0)[arm])
    watched.rank([GROUP])
    (truth,) = Shapes().rank([GROUP])
    assert watched.means == [np.mean(truth.scores)]


def test_an_arm_hears_the_order_noise_or_the_order_upside_down() -> None:
    heard = {arm: Watched(Shapes(), arms(0)[arm]).rank([GROUP])[0].ranks for arm in ("reward", "reversed")}
    assert heard == {"reward": (1.0, 2.0), "reversed": (2.0, 1.0)}
    noise = Watched(Shapes(), arms(0)["random"])
    assert len({noise.rank([GROUP])[0].ranks for _ in range(20)}) == 2


def test_the_interval_of_a_constant_gain_is_that_gain() -> None:
    assert interval(np.full(48, 0.25)) == [0.25, 0.25]

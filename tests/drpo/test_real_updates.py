"""Whole updates of the real trainer on real, tiny pipelines: in half precision, and with every forward pass
counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_pipelines
from tiny_updates import MAPS, SETTINGS, K, Red, half_precision_goes_where_float32_goes, trainer

from drpo.generators import sd_turbo
from drpo.generators.one_step import OneStep
from rankkit import Group, Ranking


class Passes(Red):
    """Passes what half of the images pass: 0 or 1."""

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        (ranking,) = super().rank(groups)
        middle = sorted(ranking.scores)[len(ranking.scores) // 2]
        return [Ranking(tuple(float(score >= middle) for score in ranking.scores))]


@pytest.mark.parametrize("features", ["latent_mae", "vit_mae", "teacher_unet"])
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_an_update_in_half_precision_moves_a_float32_lora_as_one_in_float32_does(
    family: str, features: str, tmp_path: Path
) -> None:
    half_precision_goes_where_float32_goes(family, features, tmp_path, "cpu")


def counted(generator: OneStep, features: Any) -> dict[str, int]:
    """Rows that pass through the U-Net, the decoder, the encoder and the feature map's own network, from now
    on.
    """
    rows = {"unet": 0, "decoder": 0, "encoder": 0, "features": 0}
    parts = {
        "unet": generator.pipe.unet,
        "decoder": generator.pipe.vae.decoder,
        "encoder": generator.pipe.vae.encoder,
    }
    network = getattr(features, "model", None) or getattr(features, "encoder", None)
    for name, part in (parts | ({"features": network} if network else {})).items():

        def count(module: Any, inputs: Any, options: Any, name: str = name) -> None:
            rows[name] += len(inputs[0])

        part.register_forward_pre_hook(count, with_kwargs=True)
    return rows


# rows per prompt with K candidates: the base's K samples come on top of the K candidates, through the U-Net
# and, where the map looks
# at images, through the decoder; the ranker's images are those the map sees
ONCE = {
    "latent": {"unet": 2 * K, "decoder": K, "features": 0},
    "latent_mae": {"unet": 2 * K, "decoder": K, "features": 2 * K},
    "teacher_unet": {"unet": 4 * K, "decoder": K, "features": 0},  # its network is the U-Net
    "vit_mae": {"unet": 2 * K, "decoder": 2 * K, "features": 2 * K},
    "dinov2": {"unet": 2 * K, "decoder": 2 * K, "features": 2 * K},
}


@pytest.mark.parametrize("name", MAPS)
def test_every_candidate_is_decoded_once_and_seen_once(name: str, tmp_path: Path) -> None:
    generator = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, checkpointing=False)
    features, ranker = MAPS[name](generator), Red()
    rows = counted(generator, features)
    trainer(generator, features, ranker).step()
    assert rows == ONCE[name] | {"encoder": 0} and ranker.seen == K


@pytest.mark.parametrize("name", MAPS)
def test_without_a_reference_nothing_of_the_base_is_made(name: str, tmp_path: Path) -> None:
    generator = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, checkpointing=False)
    features, ranker = MAPS[name](generator), Red()
    rows = counted(generator, features)
    trainer(generator, features, ranker, reference_weight=0.0).step()
    assert (
        rows == {part: count // 2 for part, count in ONCE[name].items()} | {"encoder": 0, "decoder": K}
        and ranker.seen == K
    )


@pytest.mark.parametrize("name", ["latent_mae", "vit_mae"])
def test_a_search_decodes_what_it_judges_and_then_only_the_chosen_where_the_map_needs_images(
    name: str, tmp_path: Path
) -> None:
    generator = sd_turbo.load(str(tiny_pipelines.sd(tmp_path)), rank=4, checkpointing=False)
    features, ranker = MAPS[name](generator), Passes()
    rows = counted(generator, features)
    row = trainer(generator, features, ranker, max_rounds=3).step()
    chosen, decoded = 2 * SETTINGS.anchors, int(name == "vit_mae")
    assert row["skipped"] == 0 and ranker.seen == K
    assert rows == {
        "unet": K + 2 * chosen,
        "decoder": K + decoded * 2 * chosen,
        "encoder": 0,
        "features": 2 * chosen,
    }

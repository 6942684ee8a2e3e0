"""CLIP's image towers by transformers, each in memory once, and asked once for what several rankers see."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakValueDictionary, ref

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import normalize

from rankkit.plugin import map_images
from rankkit_torch.fitting import Fitting, memory
from rankkit_torch.images import Pixels
from rankkit_torch.models import batches, empty, full_float32, load_strict
from rankkit_torch.resizing import on_device

OTHER_TOWER = ("text_model.", "text_projection.", "logit_scale")

State = Mapping[str, torch.Tensor]


class ImageTower:
    """An image tower on a device; its features are what the model calls `output`.

    Once a second ranker has it, the features of a batch are kept for as long as the pixels of the batch are
    held, which in a run is until its rankers have seen the chunk. Whoever asks for a batch of the same pixels
    gets them: the same numbers, because the same batch would be computed.
    """

    def __init__(
        self, model: Any, device: torch.device, dtype: torch.dtype, output: str = "image_embeds"
    ) -> None:
        self.model, self.device, self.dtype, self.output = model, device, dtype, output
        self.shared, self.fitting = False, Fitting(device)
        self._kept: list[tuple[list[ref[Pixels]], torch.Tensor]] = []

    def features(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        """Features of one batch, (B, D)."""
        if not self.shared:
            return self._computed(prepared)
        self._kept = [kept for kept in self._kept if all(one() is not None for one in kept[0])]
        for pixels, features in self._kept:
            if len(pixels) == len(prepared) and all(map(_same, pixels, prepared)):
                return features
        features = self._computed(prepared)
        self._kept.append((list(map(ref, prepared)), features))
        return features

    @torch.inference_mode()
    @full_float32()
    def _computed(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        return torch.cat(self.fitting(self._forward, prepared))

    def _forward(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        pixels_B3HW = on_device(prepared, self.device, self.dtype)
        features: torch.Tensor = getattr(self.model(pixel_values=pixels_B3HW), self.output)
        return features


def embeddings(
    prepare: Callable[[Image.Image], Pixels],
    features: Callable[[Sequence[Pixels]], torch.Tensor],
    images: Sequence[Image.Image],
    batch_size: int,
) -> NDArray[np.float32]:
    """Unit vectors of images, (images, D): what a ranker hands out as its ``embed(images)``."""
    prepared = map_images(prepare, images)
    found = [
        normalize(features(batch).float(), dim=-1).cpu().numpy() for batch in batches(prepared, batch_size)
    ]
    vectors: NDArray[np.float32] = np.concatenate(found)
    return vectors


class _Loaded:
    """The towers that some ranker holds."""

    lock = threading.Lock()
    towers: ClassVar[WeakValueDictionary[Hashable, ImageTower]] = WeakValueDictionary()


def image_tower(
    folder: Path, config: Any, state: Callable[[], State], *, device: torch.device, dtype: torch.dtype
) -> ImageTower:
    """The image tower of a CLIP folder of transformers, with the weights that `state` gives.

    Where a ranker has the same one already, of the same files, device and dtype, that is it. Raises
    `BrokenRanker` where the weights do not fit.
    """
    from transformers import CLIPVisionModelWithProjection

    key = (*_identity(folder), torch.empty(0, device=device).device, dtype)
    with _Loaded.lock:
        tower = _Loaded.towers.get(key)
        if tower is not None:
            tower.shared = True
            return tower
        vision: Any = config.vision_config
        vision.projection_dim = config.projection_dim
        with empty():
            model: Any = CLIPVisionModelWithProjection(vision)
        given = {name: value for name, value in state().items() if not name.startswith(OTHER_TOWER)}
        load_strict(model, given, folder, ignore=("position_ids",))
        with memory(device, f"the weights of {folder}"):
            tower = ImageTower(model.to(device, dtype), device, dtype)
        _Loaded.towers[key] = tower
        return tower


def _identity(folder: Path) -> tuple[Hashable, ...]:
    """What tells a folder's files from others, and from what stood there before."""
    files = sorted((file.name, file.stat()) for file in folder.iterdir() if file.is_file())
    return folder.resolve(), tuple((name, found.st_size, found.st_mtime_ns) for name, found in files)


def _same(kept: ref[Pixels], pixels: Pixels) -> bool:
    found = kept()
    if found is None or type(found) is not type(pixels):
        return False
    return found is pixels or np.array_equal(found.values, pixels.values)

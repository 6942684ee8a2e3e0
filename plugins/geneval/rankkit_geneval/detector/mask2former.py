"""GenEval's detector: Mask2Former with Swin-S on COCO, run by transformers.

Pixels and masks are made as mmdet makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from rankkit.errors import RankkitError
from rankkit_geneval.detector import weights
from rankkit_geneval.detector.postprocess import Instance, instances
from rankkit_geneval.detector.resize import Prepared, prepare
from rankkit_geneval.verdicts.judge import THRESHOLD
from rankkit_geneval.vocabulary import CLASSES
from rankkit_torch import Fitting, full_float32, memory, pick_device, pick_dtype, sent

Found = Mapping[str, Sequence[Instance]]

CANARY, CANARY_SCORE = "cat", 0.9  # what the bundled image shows, and how sure a detector in order is of it


class Detector(Protocol):
    """Whatever finds things, in two stages.

    `classes` are the names it knows, `weights` says which weights it has.
    """

    classes: Sequence[str]
    weights: str

    def prepare(self, image: Image.Image) -> Any:
        """What `detect` is given of an 8-bit RGB image, or the image. Run ahead, in threads."""
        ...

    def detect(self, prepared: Sequence[Any]) -> Sequence[Found]:
        """The things in each image, by class.

        Boxes are in its pixels, scores above 0.3; masks where the detector has them.
        """
        ...


class Mask2Former:
    """The official detector; loading is strict.

    `name`: a converted folder, a .pth file of mmdet or a name on the hub.

    `batch_size` images of one padded size are run at once; the official code runs one. Raises
    `RankkitError` where it cannot be loaded.
    """

    classes: Sequence[str] = CLASSES

    def __init__(
        self, name: str, *, device: str = "auto", dtype: str = "float32", batch_size: int = 8
    ) -> None:
        if batch_size < 1:
            raise RankkitError(
                f"batch_size is {batch_size}; at least one image goes through the detector at a time"
            )
        self.device, self.dtype = pick_device(device), pick_dtype(dtype, "float32")
        self.batch_size, self.fitting = batch_size, Fitting(self.device)
        folder, self.weights = weights.resolve(name)
        with memory(self.device, f"the weights of {name}"):
            self.model: Any = weights.load(folder, dtype=self.dtype).to(self.device)

    def prepare(self, image: Image.Image) -> Prepared:
        """The pixels of one image, as mmdet makes them."""
        return prepare(image)

    def detect(self, prepared: Sequence[Prepared]) -> list[Found]:
        """The things in each image whose score is at least 0.3, by GenEval's class names, best first."""
        found: dict[int, Found] = {}
        by_size: dict[tuple[int, ...], list[int]] = {}
        for place, each in enumerate(prepared):
            by_size.setdefault(each.pixels_3HW.shape, []).append(place)
        for places in by_size.values():
            for start in range(0, len(places), self.batch_size):
                batch = places[start : start + self.batch_size]
                answers = self.fitting(self._run, [prepared[place] for place in batch])
                found.update(zip(batch, chain(*answers), strict=True))
        return [found[place] for place in range(len(prepared))]

    @torch.inference_mode()
    @full_float32()
    def _run(self, prepared: Sequence[Prepared]) -> list[Found]:
        stacked = torch.from_numpy(np.stack([each.pixels_3HW for each in prepared]))
        output = self.model(pixel_values=sent(stacked, self.device, self.dtype))
        triples = zip(output.class_queries_logits, output.masks_queries_logits, prepared, strict=True)
        return [_by_class(instances(*triple, at_least=THRESHOLD)) for triple in triples]


def check_canary(detector: Detector) -> None:
    """Raise `RankkitError` unless the detector finds the cat in the bundled image.

    A kernel that does not fit the device, or weights of another model, can give numbers without an error;
    GenEval then says that nothing is ever right; that has happened to the official one on newer cards.
    """
    image = Image.open(str(files("rankkit_geneval") / "canary.jpg")).convert("RGB")
    (found,) = detector.detect([detector.prepare(image)])
    best = sorted(((each.score, name) for name, things in found.items() for each in things), reverse=True)
    cat = max((score for score, name in best if name == CANARY), default=0.0)
    if cat <= CANARY_SCORE:
        seen = ", ".join(f"{name} {score:.2f}" for score, name in best[:3]) or "nothing"
        raise RankkitError(
            f"the detector does not see the {CANARY} in its test image (score {cat:.2f}, "
            f"wanted above {CANARY_SCORE}; it sees {seen}): "
            "the weights are wrong or the device computes garbage; try device=cpu, "
            "convert the checkpoint again, or say canary=false"
        )


def _by_class(found: Sequence[tuple[int, Instance]]) -> Found:
    things: dict[str, list[Instance]] = {}
    for label, each in found:  # by index, never by the name a configuration gives it
        things.setdefault(CLASSES[label], []).append(each)
    return things

"""DINOv2 (Oquab et al. 2023, arXiv 2304.07193) as an image similarity: does a candidate show what a reference
image shows?
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import normalize

from rankkit import Pointwise, Scored
from rankkit.plugin import describe, image_of, image_option
from rankkit_torch import (
    ImageTower,
    Pixels,
    batches,
    embeddings,
    find,
    memory,
    pick_device,
    pick_dtype,
    received,
    resized_size,
    weights_id,
    with_processor,
)

WEIGHTS = "facebook/dinov2-base"
KEY = "reference"  # of the metadata
NO_REFERENCE = (
    "dinov2 compares with a reference image, and none is named: give metadata with reference=PATH (a column "
    "of --prompts), or dinov2:reference=PATH for all; to learn from your own answers without one, "
    "rankkit fit LABELS --features dinov2"
)

Vector = NDArray[np.float64]


class Dinov2(Pointwise):
    """Prefer images that show what a reference image shows: cosine of DINOv2 embeddings, -1 to 1.

    The reference is the image or path `reference` in an image's metadata (of several the mean counts), else
    the file `reference`; where there is neither, the image abstains. Relative paths in metadata start at
    `folder`, else at the current folder, and with a `folder` nothing outside of it is read. Needs no prompt.

    `checkpoint` is a folder or hub id of a DINOv2 of transformers, whose own image processor prepares images:
    shorter side to 256, the centre square of 224 pixels.
    """

    metadata_images: ClassVar[tuple[str, ...]] = (KEY,)

    def __init__(
        self,
        *,
        checkpoint: str = WEIGHTS,
        reference: str = "",
        folder: str = "",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
    ) -> None:
        image_option("reference", reference)
        self.reference, self.folder, self.batch_size = reference, folder, batch_size
        self.device, self.dtype = pick_device(device), pick_dtype(dtype, "float32")
        model, self.processor = with_processor(
            find(checkpoint),
            "Dinov2Model",
            model_type="dinov2",
            what="DINOv2",
            wanted="dinov2; such are facebook/dinov2-small, -base, -large and -giant",
        )
        self.preparation = f"pil {self.processor.to_json_string()}"
        with memory(self.device, f"the weights of {checkpoint}"):
            model = model.to(self.device, self.dtype)
        self.tower = ImageTower(model, self.device, self.dtype, "pooler_output")

    @classmethod
    def version(cls, *, checkpoint: str = WEIGHTS, reference: str = "", **_: Any) -> str:
        """The ids of the weights, and of the reference that is an option, and how images are prepared."""
        image_option("reference", reference)
        ids = [weights_id(checkpoint), *([weights_id(reference, "reference")] if reference else [])]
        return "+".join([*ids, "pil"])

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image, by the checkpoint's own image processor."""
        details = _resize_details(image, self.processor)
        return Pixels(self.processor(images=[image], return_tensors="np")["pixel_values"][0], details)

    def embed(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Unit vectors of images, (images, D): the features that `rankkit fit` takes. Needs no reference."""
        return embeddings(self.prepare, self.tower.features, images, self.batch_size)

    def score(
        self, prepared: Sequence[Pixels], metadata: Sequence[Mapping[str, Any]]
    ) -> Callable[[], list[Scored]]:
        """One cosine per image, the mean over its references; details hold the cosine with each of them."""
        wanted = [self._references(found) for found in metadata]
        vectors = self._vectors({_key(each): each for one in wanted for each in one})
        candidates = received(normalize(self.tower.features(prepared).float(), dim=-1))

        def answers() -> list[Scored]:
            rows = zip(candidates().double().numpy(), wanted, prepared, strict=True)
            return [_scored(row_D, one, vectors, pixels.details) for row_D, one, pixels in rows]

        return answers

    def _references(self, metadata: Mapping[str, Any]) -> list[object]:
        """What the reference images are, by metadata, else by the option."""
        given = metadata.get(KEY)
        if given is None or given == "" or given == []:
            return [self.reference] if self.reference else []
        return list(given) if isinstance(given, (list, tuple)) else [given]

    def _vectors(self, wanted: Mapping[object, object]) -> dict[object, Vector | str]:
        """The unit vector of each reference by its key, or why there is none."""
        made = {key: self._opened(reference) for key, reference in wanted.items()}
        fine = {key: one for key, one in made.items() if isinstance(one, Pixels)}
        rows = [
            normalize(self.tower.features(batch).float(), dim=-1).cpu().double().numpy()
            for batch in batches(list(fine.values()), self.batch_size)
        ]
        found = dict(zip(fine, (row_D for rows_BD in rows for row_D in rows_BD), strict=True))
        return {key: found[key] if isinstance(one, Pixels) else one for key, one in made.items()}

    def _opened(self, reference: object) -> Pixels | str:
        decoded = image_of(reference, folder="" if reference == self.reference else self.folder)
        if decoded.image is None:
            return str(decoded.error)
        try:
            return self.prepare(decoded.image)
        except Exception as error:
            return describe(error)


def _scored(
    candidate_D: Vector,
    references: Sequence[object],
    vectors: Mapping[object, Vector | str],
    details: Mapping[str, Any],
) -> Scored:
    if not references:
        return Scored(math.nan, details={"error": NO_REFERENCE})
    cosines: dict[str, float] = {}
    for place, reference in enumerate(references, 1):
        vector = vectors[_key(reference)]
        if isinstance(vector, str):
            return Scored(math.nan, details={"error": f"reference {vector}"})
        name = f"image {place}" if isinstance(reference, Image.Image) else str(reference)
        cosines[name] = float(candidate_D @ vector)
    return Scored(math.fsum(cosines.values()) / len(cosines), details={"references": cosines, **details})


def _key(reference: object) -> object:
    """Equal for references that are one image: by its path, or by the object that it is."""
    return reference if isinstance(reference, str) else id(reference)


def _resize_details(image: Image.Image, processor: Any) -> dict[str, Any]:
    """The size that an image is resized to, and the share of it that is cropped, for its row."""
    side = int(dict(processor.size).get("shortest_edge") or 0)
    if not (side and processor.do_center_crop):
        return {}
    width, height = resized_size(image.width, image.height, side)
    crop = dict(processor.crop_size)
    kept = min(width, int(crop["width"])) * min(height, int(crop["height"]))
    return {"resized": f"{width}x{height}", "cropped": round(1 - kept / (width * height), 4)}

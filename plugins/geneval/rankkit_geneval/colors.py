"""Which of ten colours a thing has, by CLIP ViT-L/14 (arXiv 2310.11513).

Its cut-out on grey is compared with three sentences per colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from rankkit.errors import RankkitError
from rankkit.plugin import reason_of
from rankkit_geneval.verdicts.judge import Detection
from rankkit_geneval.vocabulary import COLORS
from rankkit_torch import (
    check_loaded,
    full_float32,
    normalized_pixels,
    pick_device,
    pick_dtype,
    pixel_batch,
    quiet,
)

CLIP = "openai/clip-vit-large-patch14"
GREY = (153, 153, 153)  # #999
SIDE = 224  # pixels
LARGEST = 80 * SIDE * SIDE  # pixels of an image resized whole
TEMPLATES = (
    "a photo of a {color} {thing}",
    "a photo of a {color}-colored {thing}",
    "a photo of a {color} object",
)


class ColorNamer(Protocol):
    """Whatever names colours."""

    def name(self, image: Image.Image, thing: str, detection: Detection) -> str:
        """The colour of one detection in an 8-bit RGB image, one of the ten."""
        ...


class Encoder(Protocol):
    """Texts and images as vectors of one space, one row each, of any length."""

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """The rows of some texts."""
        ...

    def images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """The rows of some RGB images of any size."""
        ...


class NearestColor:
    """The colour whose sentences are nearest to the image of a thing, by cosine.

    There is no "none of these".
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.known: dict[str, torch.Tensor] = {}

    def name(self, image: Image.Image, thing: str, detection: Detection) -> str:
        """The colour of one detection.

        It is cut out along its mask where it has one (`postprocess.Instance`), else along its box.
        """
        features = F.normalize(self.encoder.images([cut_out(image, detection)]).float(), dim=-1)[0]
        return COLORS[int((self.classifier(thing) @ features).argmax())]

    def classifier(self, thing: str) -> torch.Tensor:
        """One unit vector per colour, (10, D): the mean of its sentences' unit vectors. Kept per thing."""
        if thing not in self.known:
            texts = [template.format(color=color, thing=thing) for color in COLORS for template in TEMPLATES]
            unit_CTD = F.normalize(self.encoder.texts(texts).float(), dim=-1).reshape(
                len(COLORS), len(TEMPLATES), -1
            )
            self.known[thing] = F.normalize(unit_CTD.mean(1), dim=-1)
        return self.known[thing]


class Clip:
    """CLIP by transformers, an `Encoder`.

    Refused unless its activation is QuickGELU, which OpenAI's weights were trained with.

    The same weights with plain GELU load without an error and name other colours (open_clip from 2.29.0,
    model "ViT-L-14").
    """

    def __init__(self, name: str = CLIP, *, device: str = "auto", dtype: str = "float32") -> None:
        from transformers import CLIPModel, CLIPTokenizer

        self.device, self.dtype = pick_device(device), pick_dtype(dtype, "float32")
        read: Any = CLIPModel.from_pretrained
        try:
            with quiet():
                model, found = read(
                    name, dtype=self.dtype, output_loading_info=True, ignore_mismatched_sizes=True
                )
                self.tokenizer: Any = CLIPTokenizer.from_pretrained(name)
        except Exception as error:  # the hub, its cache and safetensors each raise their own
            reason = reason_of(error)
            raise RankkitError(
                f"CLIP {name}, which names colors, cannot be loaded ({type(error).__name__}: {reason}); "
                f"download {CLIP} on a machine with network and name its folder: geneval:clip=FOLDER"
            ) from None
        check_loaded(model, found, name)
        self.model: Any = model.to(self.device).eval()
        require_quick_gelu(self.model, name)

    @torch.inference_mode()
    @full_float32()
    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Rows of texts, cut after 77 tokens as CLIP does."""
        tokens = self.tokenizer(
            list(texts),
            padding="max_length",
            truncation=True,
            max_length=int(self.model.config.text_config.max_position_embeddings),
            return_tensors="pt",
        )
        return _rows(self.model.get_text_features(**tokens.to(self.device)))

    @torch.inference_mode()
    @full_float32()
    def images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Rows of images, prepared as CLIP's evaluation transform prepares them."""
        side = self.model.config.vision_config.image_size
        pixels = pixel_batch(lambda image: clip_pixels(image, side), images).to(self.device, self.dtype)
        return _rows(self.model.get_image_features(pixel_values=pixels))


def require_quick_gelu(model: Any, name: str) -> None:
    """Raise `RankkitError` unless every feed-forward layer of both towers computes QuickGELU."""
    from transformers.activations import QuickGELUActivation

    found = {
        type(module.activation_fn).__name__ for module in model.modules() if hasattr(module, "activation_fn")
    }
    if found != {QuickGELUActivation.__name__}:
        raise RankkitError(
            f"CLIP {name} computes {' and '.join(sorted(found))}, not QuickGELU; GenEval's colors need {CLIP}"
        )


def cut_out(image: Image.Image, detection: Detection) -> Image.Image:
    """A thing on grey #999, cropped to its box; without a mask its surroundings stay."""
    mask = getattr(detection, "mask", None)
    if mask is not None:
        image = Image.composite(image, Image.new("RGB", image.size, GREY), Image.fromarray(mask))
    left, top, right, bottom = (round(edge) for edge in detection.box)
    return image.crop((left, top, right, bottom))


def clip_pixels(image: Image.Image, side: int = SIDE) -> NDArray[np.float32]:
    """CLIP's evaluation transform, as (3, side, side).

    Shortest side to `side` (bicubic, antialiased), centre crop, normalise.

    Of a thread of a thing, more than 80 times as long as wide, only the centre is computed, which saves
    memory and may round otherwise.
    """
    width, height = image.size
    short = min(width, height)
    wide, high = (side if length == short else int(side * length / short) for length in (width, height))
    left, top = round((wide - side) / 2.0), round((high - side) / 2.0)
    image = image.convert("RGB")
    if wide * high <= LARGEST:
        square = image.resize((wide, high), Image.Resampling.BICUBIC).crop(
            (left, top, left + side, top + side)
        )
    else:
        shown = (
            left * width / wide,
            top * height / high,
            (left + side) * width / wide,
            (top + side) * height / high,
        )
        square = image.resize((side, side), Image.Resampling.BICUBIC, box=shown)
    return normalized_pixels(square)


def _rows(features: Any) -> torch.Tensor:
    rows = features if isinstance(features, torch.Tensor) else features.pooler_output
    assert isinstance(rows, torch.Tensor) and rows.ndim == 2, f"CLIP answered {type(features).__name__}"
    return rows

"""CLIP from Hugging Face checkpoints or open_clip: weights read strictly, prompts cut before their end mark.

`HuggingFaceClip` needs transformers, `OpenClip` (in `rankkit_torch.openclip`) needs open_clip; plugins depend
on what they use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch.nn.functional import normalize

from rankkit import Scored
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch.checkpoints import find, read, weights_id
from rankkit_torch.fitting import Fitting, memory
from rankkit_torch.images import Pixels, resize_details
from rankkit_torch.models import empty, full_float32, load_strict, received, sent
from rankkit_torch.resizing import check_prepare, whole
from rankkit_torch.towers import image_tower

PREPROCESSING = "pil"  # the image processor's back end; torchvision's differs from it by up to one grey level

Notes = list[dict[str, Any]]


class Towers(Protocol):
    """Two towers that see an image and a prompt in one space."""

    limit: int
    scale: float
    preparation: str | None

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image: the first stage of a ranker, without torch."""
        ...

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        """Tokens of each whole prompt, with the marks of its beginning and end."""
        ...

    def embed_images(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        """Features of one batch of images, (B, D)."""
        ...

    def embed_texts(self, prompts: Sequence[str]) -> torch.Tensor:
        """Features of one batch of prompts, (B, D)."""
        ...


def cosines(
    towers: Towers, prepared: Sequence[Pixels], prompts: Sequence[str], scale: float = 1.0
) -> Callable[[], list[Scored]]:
    """Cosine of each image of a batch with its prompt, times `scale`, and what was done to both.

    The models are asked at once, the answers taken from their device when what is returned is called. Equal
    prompts are embedded once, and so is an image that comes several times.
    """
    seen, said = {id(pixels): pixels for pixels in prepared}, sorted(set(prompts))
    texts_ND, text_notes = text_features(towers, said)
    images_MD = _unit(towers.embed_images(list(seen.values())))
    rows, columns = list(map(list(seen).index, map(id, prepared))), list(map(said.index, prompts))
    images, texts = received(images_MD), received(texts_ND)
    notes = [
        {**text_notes[column], **pixels.details} for pixels, column in zip(prepared, columns, strict=True)
    ]

    def answers() -> list[Scored]:
        found_B = (images()[rows] * texts()[columns]).sum(-1).double()
        return [
            Scored(scale * cosine, details=note) for cosine, note in zip(found_B.tolist(), notes, strict=True)
        ]

    return answers


def text_features(towers: Towers, prompts: Sequence[str]) -> tuple[torch.Tensor, Notes]:
    """Unit vectors of prompts, (B, D) in float32, with their length and whether they were cut."""
    notes: Notes = [
        {"prompt_tokens": length, "prompt_truncated": length > towers.limit}
        for length in towers.lengths(prompts)
    ]
    return _unit(towers.embed_texts(prompts)), notes


def version_of(checkpoint: str, processor: str, prepare: str) -> str:
    """The weights' id, the processor's where it is another, and how images are prepared."""
    places = {checkpoint: "checkpoint"}
    places.setdefault(processor, "processor")
    ids = [weights_id(place, option) for place, option in places.items()]
    return "+".join([*ids, check_prepare(prepare)])


class HuggingFaceClip:
    """A CLIPModel of transformers; `processor` is where its tokenizer and image processor lie."""

    def __init__(
        self,
        checkpoint: str,
        processor: str,
        *,
        device: torch.device,
        dtype: torch.dtype,
        prepare: str = "pil",
    ) -> None:
        from transformers import CLIPConfig, CLIPModel

        folder = find(checkpoint)
        if not folder.is_dir() or not (folder / "config.json").is_file():
            raise BrokenRanker(
                f"{folder} is no CLIP folder of transformers (config.json and weights); "
                "give checkpoint=FOLDER"
            )
        self.config: Any = CLIPConfig.from_pretrained(folder)
        with empty():
            model: Any = CLIPModel(self.config)
        state = read(folder)
        load_strict(model, state, folder, ignore=("position_ids",))
        self.tokenizer, self.processor = processors(find(processor, option="processor"))
        text: Any = self.config.text_config
        self.limit = int(text.max_position_embeddings)
        self.scale = float(model.logit_scale.float().exp())
        self.device, self.dtype, self.fitting = device, dtype, Fitting(device)
        self.on_device = check_prepare(prepare) != PREPROCESSING
        self.preparation: str | None = f"{prepare} {self.processor.to_json_string()}"
        if self.on_device:
            self._check_square()
        self.images = image_tower(folder, self.config, lambda: state, device=device, dtype=dtype)
        model.vision_model = self.images.model.vision_model
        model.visual_projection = self.images.model.visual_projection
        with memory(device, f"the weights of {checkpoint}"):
            self.model = model.to(device, dtype)

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image, by the image processor, or for the device to make it of."""
        if self.on_device:
            given = self.processor
            return whole(image, self._side(), down=True, mean=given.image_mean, std=given.image_std)
        values = self.processor(images=[image], return_tensors="np")["pixel_values"][0]
        return Pixels(values, self._resize_details(image))

    def _side(self) -> int:
        return int(dict(self.processor.size).get("shortest_edge") or 0)

    def _check_square(self) -> None:
        """Raise `BadOption` for a processor that does other than `whole` can say."""
        given, side = self.processor, self._side()
        steps = (given.do_resize, given.do_center_crop, given.do_rescale, given.do_normalize)
        square = {"height": side, "width": side} == dict(given.crop_size or {})
        if not (side and square and all(steps) and int(given.resample) == Image.Resampling.BICUBIC):
            raise BadOption("prepare=gpu is bicubic and cuts out a square, and this processor does otherwise")

    def _resize_details(self, image: Image.Image) -> dict[str, Any]:
        """Size that the image is resized to, and the share of it that is cut off."""
        size = dict(self.processor.size)
        if size.get("shortest_edge") and self.processor.do_center_crop:
            return resize_details(image, int(size["shortest_edge"]))
        return {
            "resized": "x".join(str(size[side]) for side in ("width", "height") if size.get(side)),
            "cropped": 0.0,
        }

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        """Tokens of each whole prompt, with both marks."""
        return [len(ids) for ids in self.tokenizer(list(prompts), verbose=False)["input_ids"]]

    def embed_images(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        """Projected features of one batch."""
        return self.images.features(prepared)

    @torch.inference_mode()
    @full_float32()
    def embed_texts(self, prompts: Sequence[str]) -> torch.Tensor:
        """Projected features of one batch; a prompt over the limit is cut before its end mark.

        Prompts are filled up to the longest of them only: what stands behind an end mark counts for nothing.
        """
        return torch.cat(self.fitting(self._texts, prompts, "prompts"))

    def _texts(self, prompts: Sequence[str]) -> torch.Tensor:
        tokens = self.tokenizer(
            list(prompts), padding="longest", truncation=True, max_length=self.limit, return_tensors="pt"
        )
        given = {name: sent(tensor, self.device) for name, tensor in tokens.items()}
        return _projected(self.model.get_text_features(**given))


def _projected(output: Any) -> torch.Tensor:
    """The projected features. Raises `BrokenRanker` for anything but what transformers 5 documents."""
    features = getattr(output, "pooler_output", None)
    if not isinstance(features, torch.Tensor) or features.ndim != 2:
        raise BrokenRanker(
            f"this version of transformers returns {type(output).__name__} for CLIP features; "
            "use transformers 5"
        )
    return features


def _unit(features: torch.Tensor) -> torch.Tensor:
    return normalize(features.float(), dim=-1)


def processors(folder: Path) -> tuple[Any, Any]:
    """CLIP's tokenizer and image processor. Raises `BrokenRanker` where they are not there."""
    import transformers

    images: Any = transformers.AutoImageProcessor
    try:
        return transformers.AutoTokenizer.from_pretrained(folder), images.from_pretrained(
            folder, backend="pil"
        )
    except Exception as error:
        reason = reason_of(error)
        raise BrokenRanker(
            f"{folder} holds no tokenizer and preprocessor_config.json ({reason}); give processor=FOLDER"
        ) from None

"""A question as a model takes it: token ids, pixels, and which is which.

Qwen-VL models get their images from Pillow's resizing (no torchvision needed, the same on every machine);
others from their own processor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer, BatchFeature

from rankkit_vlm_judge.images import EncodedImage
from rankkit_vlm_judge.questions import Asked

REMEMBERED = 64  # images: as many as are in one call of a ranker


@dataclass(frozen=True)
class Prepared:
    """One question's tensors without a batch axis: ids of shape (L,), and the pieces made of its images."""

    ids: torch.Tensor
    extras: Mapping[str, Sequence[torch.Tensor]]

    @property
    def length(self) -> int:
        """Tokens, images included."""
        return len(self.ids)


class Inputs(Protocol):
    """From questions to batches."""

    tokenizer: Any

    def prepare(self, question: Asked, form: str) -> Prepared:
        """One question. Raises ValueError where an image cannot be taken."""
        ...

    def batch(self, prepared: Sequence[Prepared]) -> BatchFeature:
        """Several, padded on the left: the last position is where the answer comes."""
        ...


def prepare_inputs(name: str, template: Mapping[str, bool] | None = None) -> Inputs:
    """The way into a model: by its grid of patches where it has one (Qwen-VL), else by its own processor.

    `template` holds switches of its chat template.
    """
    auto: Any = AutoImageProcessor
    processor = auto.from_pretrained(name, backend="pil")
    if hasattr(processor, "merge_size"):
        return Grid(processor, AutoTokenizer.from_pretrained(name), template or {})
    auto = AutoProcessor
    return Own(auto.from_pretrained(name, backend="pil"), template or {})


class Grid:
    """Qwen-VL: every image becomes as many placeholders as it has merged patches; its pixels go beside."""

    PLACE = "<|image_pad|>"

    def __init__(self, processor: Any, tokenizer: Any, template: Mapping[str, bool]) -> None:
        self.processor, self.tokenizer, self.template = processor, tokenizer, template
        self._lately: dict[str, Mapping[str, torch.Tensor]] = {}
        self.place_id = tokenizer.convert_tokens_to_ids(self.PLACE)

    def prepare(self, question: Asked, form: str) -> Prepared:
        """One question, its placeholders repeated to the size of each image."""
        text = self.tokenizer.apply_chat_template(
            _messages(question, form, self.tokenizer),
            tokenize=False,
            add_generation_prompt=True,
            **self.template,
        )
        pixels = [self._pixels(image) for image in question.images()]
        counts = [int(each["image_grid_thw"].prod()) // self.processor.merge_size**2 for each in pixels]
        before, *after = text.split(self.PLACE)
        if len(after) != len(counts):
            raise ValueError(f"the chat template made {len(after)} places for {len(counts)} images")
        text = before + "".join(self.PLACE * count + rest for count, rest in zip(counts, after, strict=True))
        ids = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"][0]
        return Prepared(
            ids, {name: [each[name] for each in pixels] for name in ("pixel_values", "image_grid_thw")}
        )

    def _pixels(self, image: EncodedImage) -> Mapping[str, torch.Tensor]:
        """An image's tensors, made once although it is in many questions: 6 MB each at 512 x 512."""
        if image.sha256 not in self._lately:
            if len(self._lately) >= REMEMBERED:
                del self._lately[next(iter(self._lately))]
            self._lately[image.sha256] = self.processor(images=[image.image], return_tensors="pt")
        return self._lately[image.sha256]

    def batch(self, prepared: Sequence[Prepared]) -> BatchFeature:
        """Ids side by side; the pixels of all images in one row, in order."""
        ids, mask = _left_padded([each.ids for each in prepared], self.tokenizer)
        types = (ids == self.place_id).int()
        pixels = {
            name: torch.cat([piece for each in prepared for piece in each.extras[name]])
            for name in prepared[0].extras
        }
        return BatchFeature({"input_ids": ids, "attention_mask": mask, "mm_token_type_ids": types, **pixels})


class Own:
    """Any other model: its processor does it all, one question at a time.

    For questions whose images have one shape.
    """

    def __init__(self, processor: Any, template: Mapping[str, bool]) -> None:
        self.processor, self.tokenizer, self.template = processor, processor.tokenizer, template

    def prepare(self, question: Asked, form: str) -> Prepared:
        """One question."""
        messages = _messages(question, form, self.tokenizer)
        text = self.processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self.template
        )
        made = self.processor(
            text=text,
            images=[image.image for image in question.images()],
            return_tensors="pt",
            add_special_tokens=False,
        )
        extras = {
            name: [value] for name, value in made.items() if name not in ("input_ids", "attention_mask")
        }
        return Prepared(made["input_ids"][0], extras)

    def batch(self, prepared: Sequence[Prepared]) -> BatchFeature:
        """Ids side by side, with whatever has one value per token; other tensors one after the other."""
        ids, mask = _left_padded([each.ids for each in prepared], self.tokenizer)
        made = {"input_ids": ids, "attention_mask": mask}
        for name in prepared[0].extras:
            values = [each.extras[name][0] for each in prepared]
            per_token = all(
                value.shape == (1, each.length) for value, each in zip(values, prepared, strict=True)
            )
            made[name] = _padded([value[0] for value in values], 0) if per_token else torch.cat(values)
        return BatchFeature(made)


def _messages(question: Asked, form: str, tokenizer: Any) -> list[dict[str, Any]]:
    """As chat templates take it.

    What looks like a control token within a caption is broken up: it is only text.
    """
    parts: list[dict[str, Any]] = [
        {"type": "image"}
        if isinstance(part, EncodedImage)
        else {"type": "text", "text": _plain(part, tokenizer)}
        for part in question.parts
    ]
    if ending := question.ending(form):
        parts.append({"type": "text", "text": ending})
    said = [{"type": "text", "text": _plain(question.system, tokenizer)}]
    system = [{"role": "system", "content": said}] if question.system else []
    return [*system, {"role": "user", "content": parts}]


def _plain(text: str, tokenizer: Any) -> str:
    for token in tokenizer.all_special_tokens:
        if len(token) > 2:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text.replace("<|", "< |")


def _left_padded(rows: Sequence[torch.Tensor], tokenizer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    return _padded(rows, pad), _padded([torch.ones_like(row) for row in rows], 0)


def _padded(rows: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    longest = max(len(row) for row in rows)
    return torch.stack([torch.cat([row.new_full((longest - len(row),), value), row]) for row in rows])

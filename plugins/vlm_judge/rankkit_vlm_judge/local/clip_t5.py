"""CLIP-FlanT5 of VQAScore (Lin et al. 2024): CLIP's patches, projected, among the words that T5 reads.

No class of transformers loads the published checkpoints (zhiqiulin/clip-flant5-xl and -xxl), so their layout
is read here: T5's own keys, ``mm_projector.*``, and ``vision_tower.vision_tower.*`` where CLIP is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import BatchFeature, CLIPVisionModel, PretrainedConfig, T5ForConditionalGeneration

from rankkit_torch import empty, find, full_float32, load_strict, pick_device, pick_dtype, read
from rankkit_vlm_judge.budget import Budget
from rankkit_vlm_judge.calls import Call
from rankkit_vlm_judge.images import EncodedImage
from rankkit_vlm_judge.local.batches import InProcess
from rankkit_vlm_judge.local.clip_t5_parts import (
    PROJECTOR,
    TIED,
    below,
    config_of,
    processor_of,
    projector_of,
    t5_state,
    tokenizer_of,
    tower_state,
    vision_config,
)
from rankkit_vlm_judge.local.inputs import Prepared
from rankkit_vlm_judge.local.source import ModelSource
from rankkit_vlm_judge.questions import Asked
from rankkit_vlm_judge.replies import Reply

FILES = ("*.safetensors", "*.bin", "*.json", "*.model")
PLACE = -200  # the id in whose place the patches of the image stand
LONGEST = 2048  # ids of a question; the published code cuts there


def is_clip_t5(source: ModelSource) -> bool:
    """Whether a model is a CLIP-FlanT5."""
    try:
        config: Mapping[str, Any] = PretrainedConfig.get_config_dict(source.place)[0]
    except (OSError, ValueError):
        return False  # whoever loads it will say why
    return config.get("model_type") == "clip_t5"


class ClipT5(InProcess):
    """The model, which answers a question about one image by the probability of one text.

    That is the geometric mean over the tokens of the text and the end mark, as published: for "Yes",
    √(P(Yes) · P(end after Yes)). Each text around the image ends with T5's end mark, as published too.
    """

    def __init__(
        self,
        source: ModelSource,
        budget: Budget,
        *,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
        thinking: str = "auto",
        vision: str | None = None,
        tokenizer: str | None = None,
    ) -> None:
        super().__init__(budget, batch_size)
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, "bfloat16" if self.device.type == "cuda" else "float32")
        folder = find(source.place, files=FILES, option="model")
        config = config_of(folder)
        clip = find(vision or str(config.mm_vision_tower), files=FILES, option="vision")
        state = read(folder)
        with empty():
            made: Any = T5ForConditionalGeneration(config)
            tower: Any = CLIPVisionModel(vision_config(clip))
            projector = projector_of(config)
        seen = tower_state(state, clip, tower)
        self.t5 = load_strict(made, t5_state(state), folder, ignore=TIED).to(self.device, self.dtype)
        self.tower = load_strict(tower, seen, folder, ignore=("position_ids",)).to(self.device, self.dtype)
        self.projector = load_strict(projector, below(state, PROJECTOR), folder).to(self.device, self.dtype)
        self.layer = int(config.mm_vision_select_layer)
        self.inputs = T5Inputs(tokenizer_of(folder, tokenizer, config.d_model), processor_of(clip))
        self.words = len(self.inputs.tokenizer)
        whose = "" if vision is None else f" with {vision}"
        version = replace(source, place=str(folder)).revision(config)
        self.model = f"{source.name}@{version}{whose} {str(self.dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    @full_float32()
    def _forced(self, calls: Sequence[Call], prepared: Sequence[Prepared]) -> list[Reply]:
        """The log-probability of every call's answer, softmax in float32."""
        batch = self.inputs.batch(prepared).to(self.device)
        answers = [call.question.answers[0][0] for call in calls]
        labels_BA = self._answers(answers)
        log_BA = self._log_probabilities(batch, labels_BA)
        return [
            Reply("", ((answer, float(log)),), "stop", False, each.length + labels_BA.shape[1])
            for answer, log, each in zip(answers, log_BA.mean(-1).tolist(), prepared, strict=True)
        ]

    def _log_probabilities(self, batch: BatchFeature, labels_BA: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the answers' tokens, each after those before it, (B, A)."""
        hidden = self.tower(
            pixel_values=batch["pixel_values"].to(self.dtype), output_hidden_states=True
        ).hidden_states
        patches_BPD = self.projector(hidden[self.layer][:, 1:])
        ids_BL = batch["input_ids"]
        words_BLD = self.t5.get_input_embeddings()(ids_BL.clamp_min(0))
        embedded = [
            torch.cat([words[:place], patches, words[place + 1 :]])
            for words, patches, place in zip(
                words_BLD, patches_BPD, (ids_BL == PLACE).int().argmax(-1).tolist(), strict=True
            )
        ]
        more = batch["attention_mask"].new_ones(len(ids_BL), patches_BPD.shape[1] - 1)
        logits_BAV = self.t5(
            inputs_embeds=torch.stack(embedded),
            attention_mask=torch.cat([more, batch["attention_mask"]], -1),
            labels=labels_BA,
        ).logits
        # the published code cuts the table of words to those of the tokenizer
        log_BAV = logits_BAV[..., : self.words].float().log_softmax(-1)
        log_BA: torch.Tensor = log_BAV.gather(-1, labels_BA[..., None])[..., 0]
        return log_BA

    def _answers(self, answers: Sequence[str]) -> torch.Tensor:
        """Ids of the answers, end mark included, (B, A)."""
        ids = [self.inputs.tokenizer(answer)["input_ids"] for answer in answers]
        if len({len(each) for each in ids}) > 1:
            raise ValueError(f"answers of different lengths in one batch: {', '.join(sorted(set(answers)))}")
        return torch.tensor(ids, device=self.device)


class T5Inputs:
    """A question as CLIP-FlanT5 takes it: one image, made square by bars in CLIP's mean colour, and text."""

    def __init__(self, tokenizer: Any, processor: Any) -> None:
        self.tokenizer, self.processor = tokenizer, processor

    def prepare(self, question: Asked, form: str) -> Prepared:
        """One question. Raises ValueError where it has not exactly one image."""
        images = list(question.images())
        if len(images) != 1:
            raise ValueError(f"CLIP-FlanT5 takes one image, not {len(images)}")
        ids: list[int] = []
        for part in question.parts:
            ids += [PLACE] if isinstance(part, EncodedImage) else self.tokenizer(part)["input_ids"]
        pixels = self.processor(images=[self.squared(images[0].image)], return_tensors="pt")["pixel_values"]
        return Prepared(torch.tensor(ids[:LONGEST]), {"pixel_values": [pixels]})

    def batch(self, prepared: Sequence[Prepared]) -> BatchFeature:
        """Ids side by side, padded on the right."""
        ids = nn.utils.rnn.pad_sequence(
            [each.ids for each in prepared], batch_first=True, padding_value=self.tokenizer.pad_token_id
        )
        pixels = torch.cat([piece for each in prepared for piece in each.extras["pixel_values"]])
        mask = ids != self.tokenizer.pad_token_id
        return BatchFeature({"input_ids": ids, "attention_mask": mask.long(), "pixel_values": pixels})

    def squared(self, image: Image.Image) -> Image.Image:
        """The image in the middle of a square."""
        side = max(image.size)
        if image.width == image.height:
            return image
        colour = tuple(int(mean * 255) for mean in self.processor.image_mean)
        square = Image.new("RGB", (side, side), colour)
        square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        return square

"""The ranker `mps`: the published Multi-dimensional Preference Score out of transformers' CLIP."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.nn.functional import normalize

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption, BrokenRanker
from rankkit_mps.module_file import tensors
from rankkit_mps.network import AmongPatches, Mps, Sizes
from rankkit_torch import (
    Fitting,
    Pixels,
    empty,
    find,
    full_float32,
    load_strict,
    memory,
    on_device,
    pick_device,
    pick_dtype,
    read,
    received,
    sent,
    weights_id,
)
from rankkit_torch.clip import processors
from rankkit_torch.images import resize_details

PROCESSOR = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
OVERALL = (
    "light, color, clarity, tone, style, ambiance, artistry, shape, face, hair, hands, limbs, structure, "
    "instance, texture, quantity, attributes, position, number, location, word, things."
)
NO_CHECKPOINT = (
    "mps has no weights on the hub: download MPS_overall_checkpoint.pth from the address in the README of "
    "github.com/Kwai-Kolors/MPS, and give mps:checkpoint=PATH"
)


class MultiPreference(Pointwise):
    """Prefer what people preferred overall (CVPR 2024): learned scale, about 100, times cos.

    exp of a difference between two images of one prompt is the odds that people choose the first. An image is
    seen in the light of those words of the prompt that have to do with `condition`: of which the similarity
    to it is more than `threshold` of the highest. `checkpoint` is the published file, a pickled module, of
    which only the tensors are read, or its state dict. `processor` is the folder or hub id of LAION's CLIP
    ViT-H/14 of transformers: its configuration and tokenizer. Prompts are cut at 77 tokens, end mark kept.
    """

    def __init__(
        self,
        *,
        checkpoint: str = "",
        processor: str = PROCESSOR,
        condition: str = OVERALL,
        threshold: float = 0.3,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 32,
    ) -> None:
        if not checkpoint:
            raise BadOption(NO_CHECKPOINT)
        self.batch_size, self.condition, self.threshold = batch_size, condition, threshold
        self.device, self.dtype = pick_device(device), pick_dtype(dtype, "float32")
        self.fitting = Fitting(self.device)
        folder = find(processor, option="processor", files=("*.json", "*.txt"))
        model, (self.tokenizer, self.processor) = _model(find(checkpoint), folder), processors(folder)
        self.limit = int(model.model.config.text_config.max_position_embeddings)
        self.scale = float(model.model.logit_scale.float().exp())
        self.preparation = f"pil {self.processor.to_json_string()}"
        kept = [
            block.rotary_emb.inv_freq.float() for block in model.modules() if isinstance(block, AmongPatches)
        ]
        with memory(self.device, f"the weights of {checkpoint}"):
            self.model = model.to(self.device, self.dtype)
        for block in model.modules():  # angles are float32, whatever the weights are
            if isinstance(block, AmongPatches):
                block.rotary_emb.inv_freq = kept.pop(0).to(self.device)

    @classmethod
    def version(cls, *, checkpoint: str = "", processor: str = PROCESSOR, **_: Any) -> str:
        """The weights' id, the processor's, and how images are prepared."""
        if not checkpoint:
            raise BadOption(NO_CHECKPOINT)
        return "+".join((weights_id(checkpoint), weights_id(processor, "processor"), "pil"))

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image: the centre square, by CLIP's own image processor."""
        details = resize_details(image, int(dict(self.processor.size)["shortest_edge"]))
        return Pixels(self.processor(images=[image], return_tensors="np")["pixel_values"][0], details)

    def score(self, prepared: Sequence[Pixels], prompts: Sequence[str]) -> Callable[[], list[Scored]]:
        """One score per image and prompt; details hold the prompt's tokens and what was cut of both."""
        pairs = list(zip(prepared, prompts, strict=True))
        with torch.inference_mode(), full_float32():
            scores = received(torch.cat(self.fitting(self._forward, pairs)).double())
        notes = [self._notes(pixels, prompt) for pixels, prompt in pairs]
        return lambda: [
            Scored(score, details=note) for score, note in zip(scores().tolist(), notes, strict=True)
        ]

    def _forward(self, pairs: Sequence[tuple[Pixels, str]]) -> torch.Tensor:
        said = sorted({prompt for _, prompt in pairs})
        words_PTD, ends_PD = self.model.words(self._ids(said))
        counts_PT = self._counts(words_PTD)
        rows = [said.index(prompt) for _, prompt in pairs]
        patches_BND = self.model.patches(on_device([pixels for pixels, _ in pairs], self.device, self.dtype))
        seen_BD = self.model.seen(patches_BND, words_PTD[rows], counts_PT[rows])
        cosines_B = (normalize(seen_BD.float(), dim=-1) * normalize(ends_PD[rows].float(), dim=-1)).sum(-1)
        scores_B: torch.Tensor = self.scale * cosines_B
        return scores_B

    def _counts(self, words_PTD: torch.Tensor) -> torch.Tensor:
        """Which tokens of a prompt have to do with the condition, (P, T)."""
        (condition_CD,), _ = self.model.words(self._ids([self.condition]))
        likeness_PT = (words_PTD.float() @ condition_CD.float().T).amax(-1)
        counts_PT: torch.Tensor = likeness_PT / likeness_PT.amax(-1, keepdim=True) > self.threshold
        return counts_PT

    def _ids(self, texts: Sequence[str]) -> torch.Tensor:
        tokens = self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.limit, return_tensors="pt"
        )
        return sent(tokens["input_ids"], self.device)

    def _notes(self, pixels: Pixels, prompt: str) -> dict[str, Any]:
        length = len(self.tokenizer([prompt], verbose=False)["input_ids"][0])
        return {"prompt_tokens": length, "prompt_truncated": length > self.limit, **pixels.details}


def _model(path: Path, folder: Path) -> Mps:
    """The network with the weights of a file. Raises `BrokenRanker` where they are not those of MPS."""
    from transformers import CLIPConfig, CLIPModel

    state = tensors(path) if zipfile.is_zipfile(path) else read(path)
    try:
        sizes = Sizes.of(state)
    except (KeyError, ValueError):
        raise BrokenRanker(
            f"{path} holds no layers of MPS (cross_model.…); is it the checkpoint of another model?"
        ) from None
    with empty():
        model = Mps(CLIPModel(CLIPConfig.from_pretrained(folder)), sizes)
    return load_strict(model, state, path, ignore=("position_ids",))

"""CLIP from open_clip, which needs torchvision: the architecture by its name, the weights read strictly."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch.fitting import Fitting, memory
from rankkit_torch.images import Pixels, normalized_pixels, resize_details, stacked
from rankkit_torch.models import empty, full_float32, load_strict, sent

# buffers and notes of older files
EXTRAS = ("position_ids", "input_resolution", "context_length", "vocab_size", "attn_mask")


Values = Callable[[Image.Image], NDArray[np.float32]]


class OpenClip:
    """An open_clip model with its own tokenizer and evaluation transform.

    `preprocessing` overrides single settings of the transform (mean, std, interpolation, resize_mode), as a
    pretrained tag does.
    """

    def __init__(
        self,
        architecture: str,
        state: Mapping[str, torch.Tensor],
        source: object,
        *,
        device: torch.device,
        dtype: torch.dtype,
        quick_gelu: bool = False,
        preprocessing: Mapping[str, Any] | None = None,
    ) -> None:
        open_clip = package()
        config = _config(open_clip, architecture, quick_gelu)
        with empty():
            model = _model(open_clip, config)
        if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
            state = open_clip.model.convert_to_custom_text_state_dict(dict(state))
        load_strict(model, state, source, ignore=EXTRAS)
        _assert_activation(model, quick_gelu)
        self._values, self.size = _preparation(open_clip, model, preprocessing or {})
        self.tokenizer = open_clip.get_tokenizer(architecture)
        self.limit = int(self.tokenizer.context_length)
        self.scale = float(model.logit_scale.float().exp())
        self.preparation: str | None = None
        self.device, self.dtype, self.fitting = device, dtype, Fitting(device)
        with memory(device, f"the weights of {source}"):
            self.model = model.to(device, dtype)

    def prepare(self, image: Image.Image) -> Pixels:
        """What the model sees of one image, by open_clip's own transform."""
        whole = {"resized": "to the model's size", "cropped": 0.0}
        return Pixels(self._values(image), resize_details(image, self.size) if self.size else whole)

    def lengths(self, prompts: Sequence[str]) -> list[int]:
        """Tokens of each whole prompt, with both marks."""
        if hasattr(self.tokenizer, "encode"):
            return [len(self.tokenizer.encode(prompt)) + 2 for prompt in prompts]
        return [len(self.tokenizer.tokenizer(prompt)["input_ids"]) for prompt in prompts]

    @torch.inference_mode()
    @full_float32()
    def embed_images(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        """Projected features of one batch."""
        return torch.cat(self.fitting(self._images, prepared))

    def _images(self, prepared: Sequence[Pixels]) -> torch.Tensor:
        pixels_B3HW = sent(stacked(prepared), self.device, self.dtype)
        features: torch.Tensor = self.model.encode_image(pixels_B3HW)
        return features

    @torch.inference_mode()
    @full_float32()
    def embed_texts(self, prompts: Sequence[str]) -> torch.Tensor:
        """Projected features of one batch; a prompt over the limit is cut before its end mark."""
        return torch.cat(self.fitting(self._texts, prompts, "prompts"))

    def _texts(self, prompts: Sequence[str]) -> torch.Tensor:
        ids_BL = self.tokenizer(list(prompts))
        if getattr(self.model, "text_pool_type", "") == "argmax" and self.model.attn_mask is not None:
            return _shortened(self.model, ids_BL, self.device)
        features: torch.Tensor = self.model.encode_text(sent(ids_BL, self.device))
        return features


def package() -> Any:
    """The open_clip package.

    Raises `BrokenRanker` with what to install where it or its torchvision cannot be imported.
    """
    try:
        import open_clip
    except Exception as error:  # a torchvision that does not fit torch fails in several ways
        reason = f"{type(error).__name__}: {reason_of(error)}"
        raise BrokenRanker(
            f"open_clip cannot be imported ({reason}); install open_clip_torch, "
            "with torch and torchvision from the same index"
        ) from None
    return open_clip


def _config(open_clip: Any, architecture: str, quick_gelu: bool) -> dict[str, Any]:
    found = copy.deepcopy(open_clip.get_model_config(architecture))
    if found is None:
        raise BadOption(
            f"open_clip knows no architecture {architecture!r}; "
            f"it knows {', '.join(open_clip.list_models()[:8])} …"
        )
    config: dict[str, Any] = found
    if config.get("quick_gelu") and not quick_gelu:
        raise BadOption(
            f"{architecture} uses QuickGELU and these weights were trained without it; "
            "write model=NAME without -quickgelu"
        )
    return {**config, "quick_gelu": quick_gelu}


def _model(open_clip: Any, config: dict[str, Any]) -> Any:
    """The model open_clip makes of a configuration, without its looking for weights of either tower."""
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    hugging_face = "hf_model_name" in config["text_cfg"]
    if hugging_face:
        config["text_cfg"]["hf_model_pretrained"] = False
    custom = config.pop("custom_text", False) or hugging_face
    make = (
        open_clip.CoCa
        if "multimodal_cfg" in config
        else open_clip.CustomTextCLIP
        if custom
        else open_clip.CLIP
    )
    return make(**config)


def _shortened(model: Any, ids_BL: torch.Tensor, device: torch.device) -> torch.Tensor:
    """What `CLIP.encode_text` of open_clip gives, without what it computes behind the last end mark.

    Its text tower looks back only, and its answer stands at the end mark, the greatest id of a prompt.
    """
    ends_B = ids_BL.argmax(-1)
    length = int(ends_B.max()) + 1
    ids_BL, ends_B = sent(ids_BL[:, :length], device), sent(ends_B, device)
    words_BLD = model.token_embedding(ids_BL).to(model.transformer.get_cast_dtype())
    words_BLD = words_BLD + model.positional_embedding[:length].to(words_BLD.dtype)
    words_BLD = model.transformer(words_BLD, attn_mask=model.attn_mask[:length, :length])
    last_BD: torch.Tensor = model.ln_final(words_BLD[torch.arange(len(ends_B), device=device), ends_B])
    if model.text_projection is not None:
        projection = model.text_projection
        last_BD = projection(last_BD) if isinstance(projection, torch.nn.Linear) else last_BD @ projection
    return last_BD


def _assert_activation(model: Any, quick_gelu: bool) -> None:
    """QuickGELU and GELU have no weights: a wrong one loads without a word and scores wrongly."""
    used = any(type(module).__name__ == "QuickGELU" for module in model.modules())
    towers = "timm" not in type(getattr(model.visual, "trunk", None)).__module__
    assert used == quick_gelu or not towers, (
        f"the model was asked to use QuickGELU: {quick_gelu}, and does: {used}"
    )


def _preparation(open_clip: Any, model: Any, preprocessing: Mapping[str, Any]) -> tuple[Values, int]:
    """The evaluation transform of one image, and the side of the square it crops (0: it does not crop).

    The transform is open_clip's own up to the pixels, which Pillow makes; its last two steps, to a tensor and
    normalised, are `normalized_pixels`, the same to the bit.
    """
    from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

    size = model.visual.image_size
    given = merge_preprocess_dict(asdict(PreprocessCfg()), dict(preprocessing))
    config = PreprocessCfg(**merge_preprocess_dict(given, {"size": size}))
    *resizing, _, _ = image_transform_v2(config, is_train=False).transforms

    def values(image: Image.Image) -> NDArray[np.float32]:
        for step in resizing:
            image = step(image)
        return normalized_pixels(image, config.mean, config.std)

    height, width = (size, size) if isinstance(size, int) else size
    square = config.resize_mode == "shortest" and height == width
    return values, int(height) if square else 0

"""Where the head and SigLIP come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from rankkit.errors import BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch import find, load_pretrained, read

NAME = "aesthetic_predictor_v2_5.pth"
URL = f"https://github.com/discus0434/aesthetic-predictor-v2-5/raw/main/models/{NAME}"
SHA256 = "a6caf256b3dc434273c98dcb12f6bf17c5d4fc647d8df11f038386923dd06220"
OTHERS = ("text_model.", "logit_scale", "logit_bias")  # of a whole SigLIP, which the image tower lacks


def head_file(checkpoint: str) -> Path:
    """The head's file: that which is named, else the published one from torch's cache, or downloaded there.

    Raises `BrokenRanker` with what to do where it cannot be had, or is another file than the published one.
    """
    if checkpoint:
        return find(checkpoint, file=NAME)
    path = Path(torch.hub.get_dir(), "checkpoints", NAME)
    if not path.is_file():
        _download(path)
    return path


def _download(path: Path) -> None:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    how = f"download {URL} where there is a network, and give checkpoint=PATH"
    if HF_HUB_OFFLINE:
        raise BrokenRanker(f"{path} is not there, and HF_HUB_OFFLINE says not to download it; {how}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(URL, str(path), SHA256, progress=False)
    except Exception as error:  # of the network, of the disk, or another hash
        reason = reason_of(error)
        raise BrokenRanker(f"{NAME} cannot be downloaded ({type(error).__name__}: {reason}); {how}") from None


def image_tower(folder: Path) -> Any:
    """The image tower of a SigLIP of transformers. Raises `BrokenRanker` for any other model."""
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(folder)
    except Exception as error:
        reason = reason_of(error)
        raise BrokenRanker(
            f"{folder} holds no SigLIP of transformers ({reason}); give siglip=FOLDER"
        ) from None
    if config.model_type not in ("siglip", "siglip_vision_model"):
        raise BrokenRanker(
            f"{folder} holds a model of the type {config.model_type}, and the head was trained on siglip"
        )
    vision = getattr(config, "vision_config", config)
    state = {key: value for key, value in read(folder).items() if not key.startswith(OTHERS)}
    return load_pretrained(transformers.SiglipVisionModel, vision, state, folder)


def processor_of(folder: Path) -> Any:
    """SigLIP's image processor, which uses Pillow and numpy. Raises `BrokenRanker` where there is none."""
    import transformers

    images: Any = transformers.AutoImageProcessor
    try:
        return images.from_pretrained(folder, backend="pil")
    except Exception as error:
        reason = reason_of(error)
        raise BrokenRanker(
            f"{folder} holds no preprocessor_config.json ({reason}); give siglip=FOLDER"
        ) from None

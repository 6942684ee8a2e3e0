"""The parts of a CLIP-FlanT5, read from the files of a checkpoint, of CLIP and of Flan-T5."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, PretrainedConfig, T5Config, T5Tokenizer

from rankkit import RankkitError
from rankkit.errors import BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch import find, read

TOWER = "vision_tower.vision_tower."
PROJECTOR = "mm_projector."
TOKENIZERS = {2048: "google/flan-t5-xl", 4096: "google/flan-t5-xxl"}  # by the width of T5
TIED = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "embed_tokens.weight")
SAID = ("mm_vision_tower", "mm_hidden_size", "mm_projector_type", "mm_vision_select_layer")

State = dict[str, torch.Tensor]


def projector_of(config: Any) -> nn.Module:
    """From CLIP's width to T5's: linear, or layers with GELU between them (mlp2x_gelu)."""
    kind, seen, read_ = str(config.mm_projector_type), int(config.mm_hidden_size), int(config.d_model)
    if kind == "linear":
        return nn.Linear(seen, read_)
    found = re.fullmatch(r"mlp(\d+)x_gelu", kind)
    if found is None:
        raise RankkitError(f"mm_projector_type={kind} is no projector of CLIP-FlanT5; mlp2x_gelu is")
    layers: list[nn.Module] = [nn.Linear(seen, read_)]
    for _ in range(1, int(found[1])):
        layers += [nn.GELU(), nn.Linear(read_, read_)]
    return nn.Sequential(*layers)


def config_of(folder: Path) -> Any:
    """T5's configuration, with what it says of the images. Raises `BrokenRanker` where it says too little."""
    found: Mapping[str, Any] = PretrainedConfig.get_config_dict(str(folder))[0]
    missing = [name for name in SAID if name not in found]
    if missing:
        raise BrokenRanker(f"{folder}/config.json lacks {', '.join(missing)}: is it a whole CLIP-FlanT5?")
    return T5Config(**found)


def t5_state(state: State) -> State:
    """T5's own weights, the table of words in all places where it stands."""
    own = {k: v for k, v in state.items() if not k.startswith((PROJECTOR, "vision_tower."))}
    shared = dict.fromkeys(TIED[:2], own["shared.weight"]) if "shared.weight" in own else {}
    return {**shared, **own}


def tower_state(state: State, clip: Path, tower: nn.Module) -> State:
    """CLIP's image tower: of the checkpoint where it is there, else of CLIP's own folder."""
    found = below(state, TOWER) or {
        key: value for key, value in read(clip).items() if key.startswith("vision_model.")
    }
    prefix = "vision_model."
    if not any(key.startswith(prefix) for key in tower.state_dict()):  # transformers has dropped it
        return {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def below(state: State, prefix: str) -> State:
    """The weights whose names begin so, without that beginning."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def vision_config(clip: Path) -> CLIPVisionConfig:
    """Of the image tower, from a folder of all of CLIP or of the tower alone."""
    found: Any = PretrainedConfig.get_config_dict(str(clip))[0]
    return CLIPVisionConfig(**found.get("vision_config", found))


def processor_of(clip: Path) -> Any:
    """CLIP's own image processor, by Pillow."""
    auto: Any = CLIPImageProcessorPil
    return auto.from_pretrained(str(clip))


def tokenizer_of(folder: Path, given: str | None, width: int) -> Any:
    """The tokenizer that was named, of the checkpoint, or of the Flan-T5 of this width."""
    here = any((folder / name).is_file() for name in ("tokenizer.json", "spiece.model"))
    place = given or (str(folder) if here else TOKENIZERS.get(width, TOKENIZERS[2048]))
    own: Any = T5Tokenizer
    try:
        return own.from_pretrained(str(find(place, files=("*.json", "*.model"), option="tokenizer")))
    except (OSError, ValueError, ImportError) as error:
        reason = reason_of(error)
        raise RankkitError(
            f"tokenizer={place} cannot be loaded: {reason}; give tokenizer=FOLDER of a Flan-T5's own"
        ) from None

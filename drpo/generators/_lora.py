"""What a file of LoRA weights must hold: the libraries leave out what does not fit, and draw what is missing
at random, with a warning at most.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from drpo import hub
from rankkit import RankkitError
from rankkit.plugin import reason_of

LORA = "pytorch_lora_weights.safetensors"  # as diffusers names it
MERGED = "merged"  # the name of a LoRA while it is merged
DOWN, UP = r"[._](lora_A|lora[._]down)\b.*", r"[._](lora_B|lora[._]up)\b.*"


def load(network: Any, part: str, folder: Path) -> None:
    """Give a network that carries a LoRA the weights of one that was saved in `folder` as its `part`.

    Raises `RankkitError`, before anything is changed, where the file is not exactly such a LoRA.
    """
    path = folder / LORA
    found = hub.weights(path)
    wanted = {f"{part}.{name}": value for name, value in get_peft_model_state_dict(network).items()}
    kind = type(network).__name__
    faults = (
        _faults(found, wanted) if wanted.keys() & found.keys() else [f"it holds {hub.listed(list(found))}"]
    )
    if faults:
        fit = sum(name in wanted and value.shape == wanted[name].shape for name, value in found.items())
        raise RankkitError(
            f"{path} is no LoRA of this run's {kind}: {fit} of its {len(found)} weights fit, "
            f"{'; '.join(faults)}. Put the file back that training wrote, or train again in another out=; "
            "--base leaves the LoRA out"
        )
    set_peft_model_state_dict(network, {name.removeprefix(f"{part}."): found[name] for name in wanted})


def merge(pipe: Any, path: Path) -> None:
    """Add the LoRA in a file to the frozen weights, as ``load_lora_weights`` and ``fuse_lora`` do.

    Raises `RankkitError` where the file is no LoRA, or not one whose every weight fits the pipeline.
    """
    found = hub.weights(path)
    try:
        with hub.quiet():  # diffusers remarks on text encoders without a LoRA
            pipe.load_lora_weights(dict(found), adapter_name=MERGED)
            _check_taken(pipe, found)
            pipe.fuse_lora()
    except (ValueError, RuntimeError, KeyError, IndexError, AttributeError, RankkitError) as error:
        raise RankkitError(
            f"{path} cannot be merged into {pipe.name_or_path!r}: {reason_of(error)}; "
            "give a LoRA for Stable Diffusion XL"
        ) from None
    pipe.unload_lora_weights()


def _check_taken(pipe: Any, found: Mapping[str, Tensor]) -> None:
    """Raise `RankkitError` where a pipeline took fewer or more weights than a LoRA's file holds."""
    parts = [getattr(pipe, part, None) for part in ("unet", "text_encoder", "text_encoder_2")]
    carrying = [part for part in parts if MERGED in getattr(part, "peft_config", {})]
    taken = [name for part in carrying for name in get_peft_model_state_dict(part, adapter_name=MERGED)]
    held = [name for name in found if not name.endswith("alpha")]
    halves = [{re.sub(which, "", name) for name in held if re.search(which, name)} for which in (DOWN, UP)]
    alone = sorted(halves[0] ^ halves[1])
    if alone:
        raise RankkitError(f"one of the two matrices is missing of {hub.listed(alone)}")
    if not held or len(taken) != len(held):
        strange = [name for name in held if name.partition(".")[2] not in taken]
        raise RankkitError(
            f"{min(len(taken), len(held))} of its {len(held)} weights fit a layer there, and none of "
            f"{hub.listed(strange)}"
        )


def _faults(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """How the weights of a file differ from those that are wanted, in words."""
    lacking = [name for name in wanted if name not in found]
    strange = [name for name in found if name not in wanted]
    other = [
        f"{name} ({_shape(found[name])} in place of {_shape(wanted[name])})"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    said = [
        f"{len(lacking)} of the {len(wanted)} it should hold are missing: {hub.listed(lacking)}"
        if lacking
        else "",
        f"{len(strange)} belong to no layer: {hub.listed(strange)}" if strange else "",
        f"{len(other)} have the shape of another rank or base: {hub.listed(other)}" if other else "",
    ]
    return [words for words in said if words]


def _shape(weight: Tensor) -> str:
    return "×".join(map(str, weight.shape))

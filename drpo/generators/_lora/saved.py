"""The LoRA that a run saved, given to a network of the same base and rank."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from drpo import hub
from drpo.generators._lora.names import shape
from rankkit import RankkitError

LORA = "pytorch_lora_weights.safetensors"  # as diffusers names it


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


def _faults(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """How the weights of a file differ from those that are wanted, in words."""
    lacking = [name for name in wanted if name not in found]
    strange = [name for name in found if name not in wanted]
    other = [
        f"{name} ({shape(found[name])} in place of {shape(wanted[name])})"
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

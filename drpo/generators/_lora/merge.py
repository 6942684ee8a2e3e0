"""A LoRA of others, added to the frozen weights of a pipeline before training."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from drpo import hub
from drpo.generators._lora.names import MATRIX, PEFT, Layer, layers, of_layer, shape
from rankkit import RankkitError

METADATA = "lora_adapter_metadata"  # what diffusers writes into a file's header
CONFIG = "adapter_config.json"  # what peft writes beside one
OTHERS = {  # in the names of weights, and what has such
    "dora_scale": "a DoRA",
    "lora_magnitude_vector": "a DoRA",
    "hada_": "a LoHa",
    "lokr_": "a LoKr",
    "oft_": "an OFT",
    "lora_mid": "a LoCon of three matrices",
    "w_norm": "a LyCORIS with norms",
    ".diff": "a difference of whole weights",
    ".on_input": "an IA3",
    "bundle_emb": "a LoRA with words of its own",
    "lora_B.bias": "a LoRA with biases",
}


class Change(NamedTuple):
    """What a LoRA adds to a layer's weight: ``scale * up @ down``."""

    layer: Layer
    down: Tensor
    up: Tensor
    scale: float


def merge(pipe: Any, path: Path) -> None:
    """Add the LoRA in a file to a pipeline's weights, whichever program wrote it, as strong as it says.

    Raises `RankkitError`, before anything is changed, where the file is no LoRA of two matrices per layer, or
    not one whose every weight fits the pipeline.
    """
    found = hub.weights(path)
    try:
        changes = list(_changes(layers(pipe), found, _stated(path, found)))
        if not any(change.up.float().any() and change.down.float().any() for change in changes):
            raise ValueError("it was never trained: it changes nothing")
    except ValueError as error:
        raise RankkitError(
            f"{path} cannot be merged into {pipe.name_or_path!r}: {error}; "
            "give a LoRA for Stable Diffusion XL, of two matrices per layer"
        ) from None
    with torch.no_grad():
        for (_, _, weight), down, up, scale in changes:
            down, up = (half.to(weight.device, torch.float32).flatten(1) for half in (down, up))
            weight += (up @ down * scale).reshape(weight.shape).to(weight.dtype)


def _changes(
    known: Mapping[str, Layer], found: Mapping[str, Tensor], stated: Mapping[str, Any]
) -> Iterator[Change]:
    """What the weights of a file add to each layer; raises `ValueError` for any that cannot be placed."""
    for name in found:
        if kind := next((kind for mark, kind in OTHERS.items() if mark in name), ""):
            raise ValueError(f"it is {kind} ({name})")
    strange = [name for name in found if not _is_known(name, known)]
    if strange or not found:
        raise ValueError(
            f"{len(found) - len(strange)} of its {len(found)} weights fit a layer there, and none of "
            f"{hub.listed(strange)}"
        )
    for name, parts in _by_layer(found).items():
        layer = known[name]
        if not {"down", "up"} <= parts.keys():
            raise ValueError(f"one of the two matrices is missing of {layer.part}.{layer.name}")
        yield _change(layer, stated, **parts)


def _is_known(name: str, known: Mapping[str, Layer]) -> bool:
    return (name.endswith(".alpha") or bool(MATRIX.search(name))) and of_layer(name) in known


def _by_layer(found: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """``down``, ``up`` and where there is one ``alpha`` of every layer."""
    gathered: dict[str, dict[str, Tensor]] = {}
    for name, value in found.items():
        matrix, parts = MATRIX.search(name), gathered.setdefault(of_layer(name), {})
        part = {"A": "down", "B": "up"}.get(matrix[1], matrix[1]) if matrix else "alpha"
        if part in parts:
            raise ValueError(f"it names a layer twice, the second time as {name}")
        parts[part] = value
    return gathered


def _change(
    layer: Layer, stated: Mapping[str, Any], *, down: Tensor, up: Tensor, alpha: Tensor | None = None
) -> Change:
    """What two matrices add to a layer; raises `ValueError` where they are not of its shape."""
    place, rank = f"{layer.part}.{layer.name}", len(down)
    if up.flatten(1).shape != (len(layer.weight), rank) or down[:1].numel() != layer.weight[0].numel():
        shapes = ", ".join(shape(each) for each in (layer.weight, down, up))
        raise ValueError(f"{place} and the two matrices for it are {shapes}: it is of another base")
    scale = _scale(stated, place, rank) if alpha is None else float(alpha) / rank
    if not all(half.is_floating_point() and half.float().isfinite().all() for half in (down, up)):
        raise ValueError(f"what it holds for {place} is not made of finite numbers")
    return Change(layer, down, up, scale)


def _stated(path: Path, found: Mapping[str, Tensor]) -> Mapping[str, Any]:
    """The settings of its training that a file states, as diffusers does in its header and peft beside it:
    where there are no alphas among the weights, they say the strength.
    """
    by_peft = any(name.startswith(PEFT) for name in found) and not any(
        name.endswith(".alpha") for name in found
    )
    written = "{}"
    try:
        if by_peft:
            written = (path.parent / CONFIG).read_text(encoding="utf-8")
        elif path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                written = (file.metadata() or {}).get(METADATA, written)
        stated = dict(json.loads(written))
    except (OSError, ValueError, TypeError) as error:
        where = f"{CONFIG} beside it" if by_peft else f"{METADATA} in its header"
        raise ValueError(f"its strength stands in {where}, which cannot be read") from error
    return {f"unet.{key}": value for key, value in stated.items()} if by_peft else stated


def _scale(stated: Mapping[str, Any], place: str, rank: int) -> float:
    """The strength of a layer's LoRA by what its file states; 1 where that says nothing, as for a LoRA whose
    alpha is its rank.
    """
    part, _, name = place.partition(".")
    alphas: Mapping[str, Any] = stated.get(f"{part}.alpha_pattern") or {}
    own = (alpha for pattern, alpha in alphas.items() if re.fullmatch(rf"(.*\.)?({pattern})", name))
    alpha = next(own, stated.get(f"{part}.lora_alpha") or rank)
    return float(alpha) / (rank**0.5 if stated.get(f"{part}.use_rslora") else rank)

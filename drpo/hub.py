"""Pretrained models by hub id or folder, and one message where that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from rankkit import RankkitError


def pretrained(kind: Any, model: str, *, setting: str = "model", **options: Any) -> Any:
    """``kind.from_pretrained(model, **options)``, also from a folder that holds its weights as
    ``*.fp16.safetensors`` alone.

    `setting` is what the user would change to load another one; the `RankkitError` names it.
    """
    folder = Path(model)
    try:
        return kind.from_pretrained(model, **options, **({"variant": "fp16"} if _half_only(folder) else {}))
    except Exception as error:  # these libraries raise whatever the layer below raised
        where = "a folder here" if folder.is_dir() else "no folder here, so the hub and its cache were asked"
        raise RankkitError(
            f"no {kind.__name__} could be loaded from {model!r} "
            f"({where}): {' '.join(str(error).split())[:300]}; check the name; without "
            f"network give {setting}=FOLDER with a downloaded copy, or set HF_HUB_OFFLINE=1 if it is in the "
            f"cache already"
        ) from error


def pipeline(kind: Any, model: str, device: str, dtype: torch.dtype, **options: Any) -> Any:
    """A diffusers pipeline on `device`, loaded in `dtype` without a detour, and silent."""
    pipe = pretrained(kind, model, dtype=dtype, **options)
    pipe.set_progress_bar_config(disable=True)
    return (
        pipe.to(device) if pipe.dtype == dtype else pipe.to(device, dtype)
    )  # diffusers 0.40 does not know dtype=


def _half_only(folder: Path) -> bool:
    """Whether some part of a model has weights in half precision and in no other."""
    if not folder.is_dir():
        return False
    weights = [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin")]
    return bool(
        {path.parent for path in weights if ".fp16" in path.name}
        - {path.parent for path in weights if ".fp16" not in path.name}
    )

"""Pretrained models by hub id or folder, and one message where that fails."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import logging
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError
from safetensors.torch import load_file
from torch import Tensor

from rankkit import RankkitError

PIPELINES = {  # that generators are for; of those with the same, the first is advised
    "sd_turbo": "StableDiffusionPipeline",
    "shapes": "StableDiffusionPipeline",
    "sdxl_turbo": "StableDiffusionXLPipeline",
    "sdxl_one_step": "StableDiffusionXLPipeline",
    "sana_sprint": "SanaSprintPipeline",
    "z_image_turbo": "ZImagePipeline",
    "flux2_klein": "Flux2KleinPipeline",
}


def pretrained(kind: Any, model: str, *, setting: str = "model", **options: Any) -> Any:
    """``kind.from_pretrained(model, **options)``, also from a folder that holds its weights as
    ``*.fp16.safetensors`` alone.

    `setting` is what the user would change to load another one; the `RankkitError` names it.
    """
    half = {"variant": "fp16"} if _half_only(Path(model)) else {}
    with _explained(kind.__name__, model, setting):
        return kind.from_pretrained(model, **options, **half)


def config(kind: Any, model: str, part: str) -> Any:
    """The config of one `part` of a pipeline, without its weights."""
    with _explained(kind.__name__, model, "model"):
        return kind.load_config(model, subfolder=part)


def file(name: str, *, setting: str) -> Path:
    """A file here, or one on the hub by ``owner/repository/file``, which is downloaded once."""
    if Path(name).is_file():
        return Path(name)
    *repository, inside = name.split("/", 2)
    if len(repository) < 2:
        raise RankkitError(
            f"{setting}={name}: there is no such file here; give the path of a file, or one on the hub as "
            f"owner/repository/file"
        )
    with _explained("file", name, setting):
        return Path(hf_hub_download("/".join(repository), inside))


def weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file, or of a ``.bin`` that holds nothing else; no code is run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        return found
    except Exception as error:  # whatever a damaged file makes these libraries raise
        reason = " ".join(str(error).split())[:300]
        raise RankkitError(f"{path} cannot be read as weights: {reason}; download it again") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Without diffusers' remarks."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


@contextmanager
def _explained(what: str, model: str, setting: str) -> Iterator[None]:
    """One message, with the way out, for whatever is raised inside it."""
    try:
        yield
    except Exception as error:  # these libraries raise whatever the layer below raised
        if _gated(error):
            repository = "/".join(model.split("/")[:2])
            raise RankkitError(
                f"{repository} is a gated repository: its terms must be accepted by the account whose token "
                f"is used. Accept them on https://huggingface.co/{repository} and log in by `hf auth login` "
                f"(or set HF_TOKEN), or give {setting}= with a downloaded copy"
            ) from error
        kind = "file" if what == "file" else "folder"
        asked = f"no {kind} here, so the hub and its cache were asked"
        where = f"a {kind} here" if Path(model).exists() else asked
        raise RankkitError(
            f"no {what} could be loaded from {model!r} ({where}): {' '.join(str(error).split())[:300]}; "
            f"check the name; without network give {setting}={kind.upper()} with a downloaded copy, or set "
            "HF_HUB_OFFLINE=1 if it is in the cache already"
        ) from error


def _gated(error: BaseException | None) -> bool:
    """Whether a repository that is open to some accounts only is behind an error."""
    while error is not None:
        if isinstance(error, GatedRepoError):
            return True
        error = error.__cause__ or error.__context__
    return False


def pipeline(kind: Any, model: str, device: str, dtype: torch.dtype, **options: Any) -> Any:
    """A diffusers pipeline on `device`, loaded in `dtype` without a detour, and silent."""
    _check_family(kind, model)
    pipe = pretrained(kind, model, dtype=dtype, **options)
    pipe.set_progress_bar_config(disable=True)
    return (
        pipe.to(device) if pipe.dtype == dtype else pipe.to(device, dtype)
    )  # diffusers 0.40 does not know dtype=


def _check_family(kind: Any, model: str) -> None:
    """Raise `RankkitError` where `model` is a pipeline with a network of another class than `kind` has."""
    with _explained(kind.__name__, model, "model"):
        index = kind.load_config(model)
    network = "unet" if "unet" in inspect.signature(kind.__init__).parameters else "transformer"
    found, stored = str(index.get("_class_name", "")), index.get(network)
    wanted = typing.get_type_hints(kind.__init__).get(network)
    stored_class = stored[1] if isinstance(stored, list) and len(stored) == 2 else None
    if stored_class == getattr(wanted, "__name__", stored_class) and stored_class:
        return
    right = next((name for name, of in PIPELINES.items() if of == found), "")
    raise RankkitError(
        f"{model!r} is a {found or 'model of another kind'}, not a {kind.__name__}"
        + (f"; generator={right} is for it" if right else "; give model= one of that kind")
    )


def _half_only(folder: Path) -> bool:
    """Whether some part of a model has weights in half precision and in no other."""
    if not folder.is_dir():
        return False
    weights = [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin")]
    return bool(
        {path.parent for path in weights if ".fp16" in path.name}
        - {path.parent for path in weights if ".fp16" not in path.name}
    )

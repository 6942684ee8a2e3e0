"""Pretrained models by hub id or folder, and one message where that fails."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.utils import logging
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError
from safetensors.torch import load_file
from torch import Tensor

from drpo.parts import check_parts
from rankkit import RankkitError
from rankkit.plugin import reason_of

PIPELINES = {  # that generators are for; of those with the same, the first is advised
    "sd_turbo": "StableDiffusionPipeline",
    "shapes": "StableDiffusionPipeline",
    "sdxl_turbo": "StableDiffusionXLPipeline",
    "sdxl_one_step": "StableDiffusionXLPipeline",
    "sana_sprint": "SanaSprintPipeline",
    "z_image_turbo": "ZImagePipeline",
    "flux2_klein": "Flux2KleinPipeline",
}
LIBRARIES: Mapping[str, tuple[Any, Any]] = {  # that networks come from, and what their networks are
    "diffusers": (diffusers, diffusers.ModelMixin),
    "transformers": (transformers, transformers.PreTrainedModel),
}
STATISTICS = ("running_mean", "running_var")  # buffers that are learned


def pretrained(kind: Any, model: str, *, dtype: torch.dtype, part: str = "", setting: str = "model") -> Any:
    """A network by ``kind.from_pretrained``, whole, or a `part` of a pipeline; also from a folder that holds
    its weights as ``*.fp16.safetensors`` alone, or as another such variant.

    `setting` is what the user would change to load another one; the `RankkitError` names it. One is raised
    too where weights are missing: the libraries would draw those at random, and only warn.
    """
    options: dict[str, Any] = {"subfolder": part} if part else {}
    if variant := _variant(Path(model, part)):
        options["variant"] = variant
    # as diffusers' own pipelines name it, from 0.40 on
    options["torch_dtype" if issubclass(kind, diffusers.ModelMixin) else "dtype"] = dtype
    with _explained(kind.__name__, model, setting):
        network, found = kind.from_pretrained(model, output_loading_info=True, **options)
    _check_complete(network, found["missing_keys"], f"{model}/{part}" if part else model, setting)
    return network


def _check_complete(network: torch.nn.Module, missing: Iterable[str], place: str, setting: str) -> None:
    """Raise `RankkitError` where parameters or running statistics are `missing` from the files at `place`.

    Other buffers are made from the config; tied parameters are not among what transformers calls missing.
    """
    made = {name for name, _ in network.named_buffers() if not name.endswith(STATISTICS)}
    lacking = sorted(set(missing) - made)
    if not lacking:
        return
    files = ", ".join(sorted(path.name for path in _weight_files(Path(place)))) or "its files"
    name = "diffusers" if isinstance(network, diffusers.ModelMixin) else "transformers"
    config: Any = network.config
    writer = getattr(config, "transformers_version" if name == "transformers" else "_diffusers_version", None)
    raise RankkitError(
        f"{place} lacks {len(lacking)} of the weights of {type(network).__name__} "
        f"({listed(lacking)} are not in {files}), and random ones in their place would spoil every image. "
        f"It was written by {name} "
        f"{writer or 'of an unknown version'}, and {LIBRARIES[name][0].__version__} is here: install that "
        f"version or a newer one; else download it again, or give {setting}= with a complete copy"
    )


def _weight_files(folder: Path) -> list[Path]:
    """The files of weights in a folder itself."""
    found = folder.iterdir() if folder.is_dir() else ()
    return [path for path in found if path.suffix in (".safetensors", ".bin")]


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
        found = torch.load(path, map_location="cpu", weights_only=True)
        found = found["state_dict"] if isinstance(found, dict) and "state_dict" in found else found
        if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
            raise ValueError("it holds other things than weights by name")
        return found
    except Exception as error:  # whatever a damaged file makes these libraries raise
        raise RankkitError(
            f"{path} cannot be read as weights: {reason_of(error)}; download it again"
        ) from None


def listed(names: Sequence[str]) -> str:
    """The first three names, and how many more there are; "nothing" where there are none."""
    return (", ".join(names[:3]) or "nothing") + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@contextmanager
def quiet() -> Iterator[None]:
    """Without diffusers' remarks, and without what it logs of an error that it raises as well."""
    level = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
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
        if Path(model).exists():
            where = f"a {kind} here"
            way_out = f"download what is damaged or missing again, or give {setting}= with a complete copy"
        else:
            where = f"no {kind} here, so the hub and its cache were asked"
            way_out = (
                f"check the name; without network give {setting}={kind.upper()} with a downloaded copy, "
                "or set HF_HUB_OFFLINE=1 if it is in the cache already"
            )
        raise RankkitError(
            f"no {what} could be loaded from {model!r} ({where}): {_reasons(error)}; {way_out}"
        ) from error


def _reasons(error: BaseException) -> str:
    """What an error says, and what the one says that all began with: libraries leave out why."""
    first, words = error, " ".join(str(error).split())[:300]
    while first.__cause__ or first.__context__:
        first = first.__cause__ or first.__context__ or first
    began = reason_of(first)
    return words if first is error or began in words else f"{words} ({began})"


def _gated(error: BaseException | None) -> bool:
    """Whether a repository that is open to some accounts only is behind an error."""
    while error is not None:
        if isinstance(error, GatedRepoError):
            return True
        error = error.__cause__ or error.__context__
    return False


def pipeline(kind: Any, model: str, device: str, dtype: torch.dtype, **options: Any) -> Any:
    """A diffusers pipeline on `device`, loaded in `dtype` without a detour, silent, and with all its weights.

    `options` are parts that are not loaded from `model`, by name.
    """
    if Path(model).is_file() or Path(model).suffix in (".safetensors", ".ckpt"):
        raise RankkitError(
            f"model={model} is a single file, and a model is a folder here; make one of it, once: "
            f"diffusers.{kind.__name__}.from_single_file({model!r}).save_pretrained(FOLDER), then give "
            "model=FOLDER. Of SDXL's, generator=sdxl_one_step takes the U-Net alone: unet=FILE"
        )
    index = _check_family(kind, model)
    for part in sorted(set(inspect.signature(kind.__init__).parameters) & set(index) - set(options)):
        network = _network(index[part])
        if network is not None:
            options[part] = pretrained(network, model, dtype=dtype, part=part)
    with _explained(kind.__name__, model, "model"):
        pipe = kind.from_pretrained(model, **options)
    check_parts(pipe)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def _network(stored: object) -> Any:
    """The class of a part, from its library and name in model_index.json; None if it is no network."""
    if not isinstance(stored, list) or len(stored) != 2 or stored[0] not in LIBRARIES:
        return None
    library, network = LIBRARIES[stored[0]]
    found = getattr(library, str(stored[1]), None)
    return found if isinstance(found, type) and issubclass(found, network) else None


def _check_family(kind: Any, model: str) -> Mapping[str, Any]:
    """The parts of the pipeline `model`; raises `RankkitError` where it is of another family than `kind`.

    Its index tells, before anything is loaded: the class of its network, and whether it has a second text
    encoder, as Stable Diffusion XL and not Stable Diffusion 1 and 2, whose networks are of one class.
    """
    with _explained(kind.__name__, model, "model"):
        index: Mapping[str, Any] = kind.load_config(model)
        if not isinstance(index, dict):
            raise ValueError("its model_index.json is no object")
    parts = inspect.signature(kind.__init__).parameters
    network = "unet" if "unet" in parts else "transformer"
    found, stored = str(index.get("_class_name", "")), index.get(network)
    wanted = typing.get_type_hints(kind.__init__).get(network)
    stored_class = stored[1] if isinstance(stored, list) and len(stored) == 2 else None
    if stored_class and stored_class == getattr(wanted, "__name__", stored_class):
        if found == kind.__name__ or ("text_encoder_2" in index) == ("text_encoder_2" in parts):
            return index
    elif found == kind.__name__:
        raise RankkitError(f"{model!r} has no {network} ({stored!r}); give model= a complete {found}")
    right = next((name for name, of in PIPELINES.items() if of == found), "")
    raise RankkitError(
        f"{model!r} is a {found or 'model of another kind'}, not a {kind.__name__}"
        + (f"; generator={right} is for it" if right else "; give model= one of that kind")
    )


def _variant(folder: Path) -> str:
    """The variant, as ``fp16``, that all weights in a folder are; empty where there are others too."""
    names = {path.stem.partition(".")[2].partition("-")[0] for path in _weight_files(folder)}
    return names.pop() if len(names) == 1 else ""

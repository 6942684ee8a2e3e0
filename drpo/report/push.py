"""A trained LoRA out into the world: a folder with a model card, uploaded to the Hugging Face hub."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from diffusers.utils.state_dict_utils import convert_state_dict_to_kohya
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor

from drpo.report import report
from drpo.report.card import COMFYUI, CURVES, GRID, card, licence
from drpo.report.script import LORA, base
from drpo.run.files import GRIDS, LOG, find, read_rows
from drpo.run.sample import read_config
from rankkit import RankkitError, UsageError
from rankkit.plugin import line_chart


def write(run: Path, repository: str, out: Path, *, base_model: str = "", licence_id: str = "") -> Path:
    """Write what would be uploaded into `out`: README.md, the LoRA for diffusers and for ComfyUI, pictures.

    Raises `UsageError` for what has to be said: the hub id of a base that is a folder here (`base_model`), a
    licence that is not known (`licence_id`).
    """
    _check(repository)
    config = read_config(run, say=True)
    model = base(config, base_model)
    named = licence(config, model, licence_id)
    if not (run / LORA).is_file():
        raise RankkitError(
            f"{run} has no {LORA} yet; it is written when training ends: `drpo train` again with out={run}"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is no empty folder; give another --dry-run")
    text = card(run, config, repository, model, named, _files(run))
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(run / LORA, out / LORA)
    if COMFYUI in _files(run):
        save_file(comfyui(run / LORA), out / COMFYUI)
    if GRID in _files(run):
        shutil.copyfile(_grids(run)[-1], out / GRID)
    if CURVES in _files(run):
        (out / CURVES).write_text(_curves(run), encoding="utf-8")
    (out / "README.md").write_text(text, encoding="utf-8")
    return out


def push(run: Path, repository: str, *, private: bool = False, **told: str) -> str:
    """Upload what `write` writes, and return the repository's address; `told` as there."""
    with tempfile.TemporaryDirectory() as room:
        folder = write(run, repository, Path(room) / "model", **told)
        try:
            api = HfApi()
            api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository, folder_path=folder, commit_message="A LoRA trained by drpo")
        except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            raise RankkitError(
                f"{repository} could not be uploaded: {reason}; log in by `hf auth login` with a token that "
                "may write, or take `--dry-run DIR` and upload that folder"
            ) from None
    return f"https://huggingface.co/{repository}"


def comfyui(path: Path) -> dict[str, Tensor]:
    """The LoRA in a file under kohya's names, ``lora_unet_….lora_up.weight``, with an alpha each."""
    made: dict[str, Tensor] = convert_state_dict_to_kohya(load_file(path))
    return made


def _check(repository: str) -> None:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repository, re.ASCII):
        raise UsageError("a repository of the hub is named owner/name, as anna/sd-turbo-pickscore")


def _files(run: Path) -> list[str]:
    """Which files stand in the folder beside the LoRA and the card."""
    there = [CURVES] if _points(run) else []
    there += [GRID] if _grids(run) else []
    unet = all(name.startswith("unet.") for name in load_file(run / LORA))
    return [*there, COMFYUI] if unet else there


def _grids(run: Path) -> list[Path]:
    return sorted(find(run, GRIDS).glob("*.png"))


def _points(run: Path) -> list[tuple[float, float]]:
    return [(row["step"], row["reward"]) for row in read_rows(run / LOG) if row.get("reward") is not None]


def _curves(run: Path) -> str:
    """The reward by step, as an image of its own."""
    chart = str(line_chart([report.reward_curve(_points(run))], x="step", y="reward"))
    return chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)

"""A trained LoRA out into the world: a folder with a model card, uploaded to the Hugging Face hub."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from diffusers.utils.state_dict_utils import convert_state_dict_to_kohya
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import LocalTokenNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor

from drpo.report import kept
from drpo.report.card import COMFYUI, CURVES, GRID, card, licence
from drpo.report.script import base
from drpo.run.files import LORA, trained_lora
from drpo.run.sample import read_config
from rankkit import RankkitError, UsageError
from rankkit.plugin import line_chart, say

FOLDER = "upload"  # of a run: what a failed upload leaves


def write(run: Path, repository: str, out: Path, *, base_model: str = "", licence_id: str = "") -> Path:
    """Write what would be uploaded into `out`: README.md, the LoRA for diffusers and for ComfyUI, images.

    Raises `UsageError` for what has to be said: the hub id of a base that is a folder here (`base_model`), a
    licence that is not known (`licence_id`).
    """
    _check(repository)
    config = read_config(run, say=True)
    model = base(config, base_model)
    named = licence(config, model, licence_id)
    lora = trained_lora(run)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is no empty folder; give another --dry-run")
    points, grids, renamed = kept.rewards(run), kept.grids(run), comfyui(lora)
    there = {CURVES: points, GRID: grids, COMFYUI: renamed}
    text = card(run, config, repository, model, named, [name for name, found in there.items() if found])
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(lora, out / LORA)
    if renamed:
        save_file(renamed, out / COMFYUI)
    if grids:
        shutil.copyfile(grids[-1], out / GRID)
    if points:
        (out / CURVES).write_text(_curves(points), encoding="utf-8")
    (out / "README.md").write_text(text, encoding="utf-8")
    return out


def push(run: Path, repository: str, *, private: bool = True, **told: str) -> str:
    """Upload what `write` writes, and return the repository's address; `told` as there.

    A repository that is made for it is private unless told otherwise, one that exists stays as it is; which
    it is is said. Where the upload fails, the folder stays in the run: the `RankkitError` says how to go on.
    """
    folder = run / FOLDER
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=run if run.is_dir() else None) as room:
        made = write(run, repository, Path(room) / "model", **told)
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    try:
        place = _uploaded(folder, repository, private)
    except Exception as error:  # of whatever HTTP library this version of huggingface_hub is built on
        raise RankkitError(_failed(run, repository, folder, error)) from error
    shutil.rmtree(folder)
    return place


def _uploaded(folder: Path, repository: str, private: bool) -> str:
    """The address of a repository with the folder's files in it."""
    api = HfApi()
    place = api.create_repo(repository, private=private, exist_ok=True)
    whom = (
        "private: only you and your organization see it" if api.model_info(repository).private else "public"
    )
    say(f"{repository} is {whom}; its settings on the hub change that")
    api.upload_folder(repo_id=repository, folder_path=folder, commit_message="A LoRA trained by drpo")
    return str(place)


def _failed(run: Path, repository: str, folder: Path, error: Exception) -> str:
    """Why an upload failed, and how to go on, without the token."""
    reason = " ".join((str(error) or type(error).__name__).split())
    if token := get_token():
        reason = reason.replace(token, "…")
    status = getattr(getattr(error, "response", None), "status_code", None)
    denied = isinstance(error, LocalTokenNotFoundError) or status in (401, 403)
    first = "log in by `hf auth login` with a token that may write there; then " if denied else ""
    return (
        f"{repository} could not be uploaded: {reason[:300]}; what was to be uploaded is kept in {folder}: "
        f"{first}`drpo push {run} {repository}` tries again, or `hf upload {repository} {folder}` uploads it"
    )


def comfyui(path: Path) -> dict[str, Tensor]:
    """The LoRA in a file under kohya's names, ``lora_unet_….lora_up.weight``, with an alpha each; empty for
    another network than a U-Net.
    """
    weights = load_file(path)
    if not all(name.startswith("unet.") for name in weights):
        return {}
    return convert_state_dict_to_kohya(weights)


def _check(repository: str) -> None:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repository, re.ASCII):
        raise UsageError("a repository of the hub is named owner/name, as anna/sd-turbo-pickscore")


def _curves(points: Sequence[tuple[float, float]]) -> str:
    """The reward by step, as an image of its own."""
    chart = str(line_chart([kept.reward_curve(points)], x="step", y="reward"))
    return chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)

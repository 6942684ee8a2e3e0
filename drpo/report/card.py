"""The model card of a trained LoRA: what it is of, what it was trained on, what it gained, how it is used."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drpo.config import Config
from drpo.report.kept import changes
from drpo.report.script import script
from drpo.run.files import LOG, LORA, read_rows
from rankkit import UsageError

GRID, CURVES, COMFYUI = "before-and-after.png", "reward.svg", "comfyui.safetensors"
# of bases on the hub, by their model cards; others are asked for
LICENCES = {
    "": "apache-2.0",
    "stabilityai/sd-turbo": "other",
    "stabilityai/sdxl-turbo": "other",
    "stabilityai/stable-diffusion-xl-base-1.0": "openrail++",
    "ByteDance/Hyper-SD": "other",
    "ByteDance/SDXL-Lightning": "openrail++",
    "tianweiy/DMD2": "cc-by-nc-4.0",
    "latent-consistency/lcm-lora-sdxl": "openrail++",
    "Efficient-Large-Model/Sana_Sprint_0.6B_1024px_diffusers": "other",
    "Tongyi-MAI/Z-Image-Turbo": "apache-2.0",
    "black-forest-labs/FLUX.2-klein-4B": "apache-2.0",
}
HERE = re.compile(r"(?<![\w.:/])(?:~|\.{1,2})?/(?:[^\s,;\"'/]+/)*")  # folders of this machine before a name


def bases(config: Config, model: str) -> list[str]:
    """The repositories that the LoRA stands on: the base, and what distilled it."""
    parts = (config.unet, config.distillation_lora)
    return [name for name in (model, *("/".join(part.split("/")[:2]) for part in parts if part)) if name]


def licence(config: Config, model: str, given: str = "") -> str:
    """The licence of the base, as the hub names it: `given`, or that of the part that distilled the model.

    Raises `UsageError` where it is not known.
    """
    last = (bases(config, model) or [""])[-1]
    if given or last in LICENCES:
        return given or LICENCES[last]
    raise UsageError(
        f"the licence of {last} is not known here, and a LoRA is bound by its base's; read its model card "
        "and give --licence, as the hub names it: apache-2.0, openrail++, other"
    )


def card(run: Path, config: Config, repository: str, model: str, named: str, files: Sequence[str]) -> str:
    """The text of README.md, for a folder with these `files`; paths of this machine are left out."""
    of = " and ".join(f"[{name}](https://huggingface.co/{name})" for name in bases(config, model))
    elsewhere = ""
    if COMFYUI in files:
        elsewhere = (
            f"`{COMFYUI}` is the same LoRA under the names that ComfyUI, Forge and AUTOMATIC1111 read."
        )
    elif config.generator in ("z_image_turbo", "flux2_klein"):
        elsewhere = f"ComfyUI knows the names in `{LORA}` as they are."
    learned = "chosen and rejected images"
    if not config.preferences:
        learned = f"the order in which the ranker `{_public(config.ranker)}` put its images"
    words = [
        _head(config, model, named),
        f"# {repository.partition('/')[2]}",
        f"A LoRA for {of or 'the built-in shapes generator of drpo'}, finetuned by Drifting Preference "
        f"Optimization (arXiv 2606.02521) with drpo for {_steps(run, config)} steps, from {learned}.",
        f"![images before and after]({GRID})\n\nEach prompt's images before training, and below them those "
        "that the same noises give now." if GRID in files else "",
        "## Use",
        f"```python\n{script(config, repository, model)}```",
        elsewhere,
        _gains(run),
        f"## Training\n\n![reward by step]({CURVES})" if CURVES in files else "## Training",
        _settings(config),
        f"## Licence\n\nBound by the licence of what it was trained on: {_licence(config, model, named)}.",
    ]  # fmt: skip
    return "\n\n".join(filter(None, words)) + "\n"


def _steps(run: Path, config: Config) -> int:
    """How many steps a run has made: fewer than it was to, where an alarm ended it."""
    rows = read_rows(run / LOG)
    return int(rows[-1]["step"]) if rows else config.steps


def _head(config: Config, model: str, named: str) -> str:
    lines = [
        "library_name: diffusers",
        "pipeline_tag: text-to-image",
        f"license: {named}",
        *(["license_name: that-of-the-base-model", f"license_link: https://huggingface.co/{model}"]
          if named == "other" and model else []),
        *(["base_model:", *(f"- {name}" for name in bases(config, model))] if model else []),
        "tags:", "- lora", "- drpo", "- text-to-image",
    ]  # fmt: skip
    return "\n".join(["---", *lines, "---"])


def _licence(config: Config, model: str, named: str) -> str:
    if not model:
        return f"{named}, that of drpo"
    each = (f"{name} ({LICENCES.get(name, named)})" for name in bases(config, model))
    return f"{', '.join(each)}; read their model cards"


def _gains(run: Path) -> str:
    """What the held-out rankers and the ranker of the training said at the first evaluation and the last."""
    found = changes(run)
    if not found:
        return ""
    steps, figures = found
    table = [
        f"| {_public(name.removeprefix('eval/'))} | {before} | {after} |" for name, before, after in figures
    ]
    return "\n".join([
        "## What changed", "",
        f"Means over the same prompts and noises, before training and after {steps} steps.", "",
        "| | before | after |", "|---|---|---|", *table,
    ])  # fmt: skip


def _settings(config: Config) -> str:
    values: Mapping[str, Any] = dataclasses.asdict(config)
    rows = [f"| `{name}` | `{_public(value)}` |" for name, value in values.items() if value not in ("", ())]
    return "\n".join(["| setting | |", "|---|---|", *rows])


def _public(value: Any) -> str:
    """A value without what is of this machine alone: folders before a name, addresses of servers."""
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return re.sub(r"https?://[^\s,;\"']+", "http://…", HERE.sub("", text)).replace("|", "\\|")

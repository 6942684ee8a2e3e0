"""Writes docs/commands.md, docs/rankers.md and docs/training.md from the code: `make docs`."""

from __future__ import annotations

import dataclasses
import inspect
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

import drpo.cli
from drpo.config import Config, field_docs
from drpo.recipes import recipes
from rankkit.cli.app import app
from rankkit.registry import cards
from rankkit.registry.catalog import Installed

HERE = Path(__file__).parent
FEW_STEPS = (
    "## Few steps",
    "",
    "The method is for generators of one step. `inference_steps=4` makes candidates in four, as",
    "`pipe(prompt, num_inference_steps=4, guidance_scale=0.0)` does, and the gradient goes through the",
    "last step alone: the memory and time of backward are those of one step, while the U-Net runs four",
    "times for a candidate. The base makes its samples from the same noises by a trajectory of its own,",
    "with the same noise between the steps, and the two are compared as finished images.",
    "",
    "What is lost: the gradient says how the last step should change, given what the steps before it",
    "made. What those decide (composition, which objects, how many, where) changes only because all steps",
    "share the LoRA, in a direction that no gradient gave; what the last step decides (texture,",
    "sharpness, colour, small parts) is learned as with one step. For a reward about content, as",
    "`geneval`, take a generator of one step. At full size this was not measured yet.",
    "",
)


def commands() -> str:
    """Every command with its arguments and options, from the parser itself."""
    return "\n".join(
        [
            "# Commands",
            "",
            "Written by `make docs` from the parser.",
            "",
            *_commands("rankkit", typer.main.get_command(app)),
        ]
    )


def _commands(program: str, group: Any) -> list[str]:
    lines = []
    for name, command in group.commands.items():
        usage = [
            f"{program} {name}",
            *(p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument"),
            "[OPTIONS]",
        ]
        lines += [
            f"## {program} {name}",
            "",
            f"`{' '.join(usage)}`",
            "",
            (command.help or "").split("\b")[0].strip(),
            "",
            "| | |",
            "|---|---|",
        ]
        for parameter in command.params:
            option, shown = parameter.param_type_name == "option", parameter.metavar or parameter.name.upper()
            shown = ", ".join(f"`{option}`" for option in parameter.opts) if option else f"`{shown}`"
            lines.append(f"| {shown} | {(parameter.help or '').replace('|', '&#124;')} |")
        lines.append("")
    return lines


def training() -> str:
    """The trainer: its commands, recipes and the fields of a config, each with its docstring."""
    lines = ["# Training", "", "Written by `make docs` from the code of drpo.", ""]
    lines += [
        *_commands("drpo", typer.main.get_command(drpo.cli.app)),
        "## Recipes",
        "",
        "| | |",
        "|---|---|",
    ]
    lines += [
        f"| `{name}` | {(recipe.__doc__ or '').splitlines()[0]} |" for name, recipe in recipes().items()
    ]
    lines += [
        "",
        *FEW_STEPS,
        "## Settings",
        "",
        "`field=value` after the recipe; the defaults below are the authors' for SD-Turbo.",
        "",
        "| | default | |",
        "|---|---|---|",
    ]
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    for name, words in field_docs().items():
        default = "" if defaults[name] is dataclasses.MISSING else f"`{defaults[name]!r}`"
        lines.append(f"| `{name}` | {default} | {words.replace('|', '&#124;')} |")
    return "\n".join(lines) + "\n"


def rankers() -> str:
    """The built-in rankers: docstring, options and card."""
    sections = []
    for point in sorted(entry_points(group="rankkit.rankers"), key=lambda point: point.name):
        if not point.value.startswith("rankkit."):
            continue
        target = point.load()
        card = cards.describe(Installed(point.name, "rankkit-t2i", ""), verbose=True)["card"]
        options = [
            f"{p.name}={p.default}"
            for p in inspect.signature(target).parameters.values()
            if p.kind is p.KEYWORD_ONLY
        ]
        facts = [
            f"- {key.replace('_', ' ')}: {value}"
            for key, value in {"options": ", ".join(options) or "none", **card}.items()
        ]
        sections.append(f"## {point.name}\n\n{inspect.getdoc(target)}\n\n" + "\n".join(facts) + "\n")
    return (
        "# Built-in rankers\n\nWritten by `make docs` from their docstrings and `card.toml`.\n\n"
        + "\n".join(sections)
    )


PAGES = {"commands.md": commands, "rankers.md": rankers, "training.md": training}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), "utf-8")

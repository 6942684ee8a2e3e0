"""Writes the pages of docs/ that say what the code says, and what a run costs from its row: `make docs`."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import typer

import drpo.cli
from drpo.config import Config, field_docs, written
from drpo.recipes import recipes
from rankkit.cli.app import app
from rankkit.registry import cards
from rankkit.registry.catalog import Installed
from rankkit.registry.published import Published, said, stated

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the pages per program and layout have modules of their own beside this one

from file_pages_layouts import LAYOUTS  # noqa: E402
from file_pages_programs import PROGRAMS  # noqa: E402

FEW_STEPS = (
    "## Few steps",
    "",
    "The method is for generators of one step. `inference_steps=4` makes candidates in four, as",
    "`pipe(prompt, num_inference_steps=4, guidance_scale=0.0)` does, and the gradient goes through the",
    "last step alone: the memory and time of backward are those of one step, while the U-Net runs four",
    "times for a candidate. `graph_steps=2` lets it go through the last two, at the memory and time of",
    "two, and `graph_steps=4` is the full gradient. The base makes its samples from the same noises by a",
    "trajectory of its own, with the same noise between the steps, and the two are compared as finished",
    "images.",
    "",
    "What is lost: the gradient says how the last step should change, given what the steps before it",
    "made. What those decide (composition, which objects, how many, where) changes only because all steps",
    "share the LoRA, in a direction that no gradient gave; what the last step decides (texture,",
    "sharpness, colour, small parts) is learned as with one step. For a reward about content, as",
    "`geneval`, take a generator of one step. At full size this was not measured yet. The maths stands in",
    "[the method](method.md#several-steps).",
    "",
    "`generator=z_image_turbo` and `generator=flux2_klein` (recipes of those names) are transformers of 6",
    "and 4 billion weights in eight and four steps, sampled without guidance by diffusers' own pipelines,",
    "and `image_size=512` trains on smaller images. Z-Image-Turbo and FLUX.2-klein 4B are under Apache",
    "2.0 by their model cards; the 9B klein is not for commercial use. They were run here on tiny random",
    "models only.",
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
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = ["[OPTIONS]"] if len(arguments) < len(command.params) else []
        usage = [f"{program} {name}", *map(_shown, arguments), *options]
        lines += [
            f"## {program} {name}",
            "",
            f"`{' '.join(usage)}`",
            "",
            (command.help or "").split("\b")[0].strip(),
            "",
            *(["| | |", "|---|---|"] if command.params else []),
        ]
        for parameter in command.params:
            names = [*parameter.opts, *parameter.secondary_opts]
            option = parameter.param_type_name == "option"
            shown = ", ".join(f"`{name}`" for name in names) if option else f"`{_shown(parameter)}`"
            words = (parameter.help or "").replace("|", "&#124;")
            lines.append(f"| {shown} | {' '.join(filter(None, [words, _default(parameter)]))} |")
        lines += [""] if command.params else []
    return lines


def _shown(argument: Any) -> str:
    """An argument as a usage line names it: `PATH...` may be given several times."""
    return f"{argument.metavar or argument.name.upper()}{'...' if argument.nargs == -1 else ''}"


def _default(parameter: Any) -> str:
    """What holds where an option is not given, as help shows it; nothing for a flag."""
    value = getattr(parameter.default, "value", parameter.default)
    shown = getattr(parameter, "show_default", False) and not getattr(parameter, "is_flag", False)
    return f"Default: `{value}`." if shown and value not in (None, "", [], ()) else ""


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
        "`field=value` after the recipe; the defaults below are the authors' for SD-Turbo. A recipe sets",
        "what its own authors set, and what has no default here is empty, or given by the recipe.",
        "",
        "| | default | |",
        "|---|---|---|",
    ]
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    for name, words in field_docs().items():
        default = "" if defaults[name] in (dataclasses.MISSING, "", ()) else f"`{written(defaults[name])}`"
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
            f"{p.name} (needed)" if p.default is p.empty else f"{p.name}={p.default}"
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


def learned_rankers() -> str:
    """The rankers of plugins/, each with its card."""
    found: list[Published] = []
    lines = [
        "# Learned rankers",
        "",
        "Written by `make docs` from each plugin's `card.toml`.",
        "`pip install ./plugins/torch ./plugins/NAME` installs one.",
        "",
    ]
    for path in sorted((HERE.parent / "plugins").glob("*/rankkit_*/card.toml")):
        plugin, card = path.parts[-3], tomllib.loads(path.read_text("utf-8"))
        project = tomllib.loads((path.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
        shared = {key: value for key, value in card.items() if not isinstance(value, dict)}
        for name in project["entry-points"]["rankkit.rankers"]:
            facts = {**shared, **card.get(name, {})}
            lines += [
                f"## {name}",
                "",
                f"[{project['name']}](../plugins/{plugin}/README.md): {project['description']}",
                "",
            ]
            lines += [
                f"- {key.replace('_', ' ')}: {_said(value)}" for key, value in facts.items() if key != "skip"
            ]
            lines.append("")
            found += stated(name, facts)
    return "\n".join([*lines, *_agreement([one for one in found if not one.ranker.endswith("-official")])])


def _said(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else said(value)


def _agreement(found: list[Published]) -> list[str]:
    """The table of published agreement, a column per set of human choices."""
    columns = sorted({one.data for one in found})
    cells = {(one.ranker, one.data): f"{one.accuracy:.3f}" for one in found}
    rows = [
        f"| `{ranker}` | {' | '.join(cells.get((ranker, data), '') for data in columns)} | |"
        for ranker in dict.fromkeys(one.ranker for one in found)
    ]
    return [
        "## Published agreement with people",
        "",
        "How often each orders a pair as people did, on the test split, by the sources that its card above",
        "names; what was not found is left empty. `rankkit agree PAIRS -r NAME` prints the figure beside",
        "what your weights give on your copy of the data: the last column is for that. 1/2 is chance.",
        "",
        f"| | {' | '.join(columns)} | yours |",
        f"|---|{'---|' * (len(columns) + 1)}",
        *rows,
        "",
    ]


def finetune() -> str:
    """The page on finetuning, with what a run costs by the latest row of SD-Turbo on a GPU."""
    rows = [
        json.loads(line)
        for line in (HERE.parent / "benchmarks/results/gpu.jsonl").read_text("utf-8").splitlines()
    ]
    row = next(
        row for row in reversed(rows) if row["command"].endswith("train sd_turbo") and "error" not in row
    )
    cost = row["rows"][0]
    step, steps = cost["seconds per step of 8 prompts"], Config.__dataclass_fields__["steps"].default
    phases = ", ".join(f"{phase} takes {seconds}" for phase, seconds in cost["phases"].items())
    words = [
        f"On one {row['gpu']} ({row['date']}, drawn weights, features `{cost['features']}`, ranker",
        f"`{cost['ranker']}`): {step} seconds for a step of 8 prompts with {cost['candidates']} candidates",
        f"each, so {steps} steps take {steps * step / 3600:.1f} hours; {cost['peak MiB'] / 1024:.0f} GiB.",
        f"Of the {cost['seconds per prompt']} seconds for a prompt, {phases} (`{row['command']}`).",
    ]
    said = "\n".join(words)
    before, rest = (HERE / "finetune.md").read_text("utf-8").split("<!-- cost -->")
    return f"{before}<!-- cost -->\n\n{said}\n\n<!-- /cost -->{rest.split('<!-- /cost -->')[1]}"


PAGES = {
    "commands.md": commands,
    "rankers.md": rankers,
    "training.md": training,
    "learned-rankers.md": learned_rankers,
    "finetune.md": finetune,
    **{f"programs/{name}.md": page.text for name, page in PROGRAMS.items()},
    **{f"layouts/{name}.md": page.text for name, page in LAYOUTS.items()},
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(page(), "utf-8")

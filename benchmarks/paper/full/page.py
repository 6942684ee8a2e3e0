"""The tables of a folder beside the paper's: tables.md and tables.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.paper.full.plan import GENEVAL, PAPER, SETS, UNITS, Plan, Prompts, generators
from benchmarks.paper.full.stages import ROWS
from benchmarks.tables.cells import table
from drpo.data.prompts import prompts as read
from drpo.report.kept import task_of
from rankkit.plugin import Mean, Row, clustered_mean, read_rows

Line = dict[str, Any]


def write(plan: Plan) -> list[Path]:
    """Write what is there into ``DIR/tables.md``, and each figure as a row of ``DIR/tables.jsonl``."""
    lines = [line for prompts in SETS for line in measured(plan, prompts)]
    parts = ["# The paper's tables at full size\n", *(_section(plan, prompts, lines) for prompts in SETS)]
    pages = {
        "tables.md": "\n".join(parts),
        "tables.jsonl": "".join(json.dumps(line) + "\n" for line in lines),
    }
    for name, text in pages.items():
        (plan.folder / name).write_text(text, encoding="utf-8")
    return [plan.folder / name for name in pages]


def measured(plan: Plan, prompts: Prompts) -> list[Line]:
    """A figure per generator or recipe, ranker and task: the mean with its 95 % interval, prompts as
    clusters.
    """
    found = []
    tasks = _tasks(plan, prompts)
    for generator, names in generators(plan).items():
        for name in (f"base-{generator}", *names):
            file = plan.folder / name / f"{prompts.file.partition('.')[0]}-{ROWS}"
            rows = list(read_rows(file)) if file.is_file() else []
            for ranker in plan.rankers_of(prompts):
                own = [row for row in rows if row["ranker"] == ranker.partition(":")[0]]
                about = {"of": name, "generator": generator, "prompts": prompts.name, "ranker": ranker}
                found += [about | figures for figures in _figures(own, tasks)]
    return found


def _tasks(plan: Plan, prompts: Prompts) -> dict[str, str]:
    """The task of each prompt of a set, where its file says so."""
    file = plan.prompts / prompts.file
    return {one.text: task for one in read(str(file)) if (task := task_of(one, ""))}


def _figures(rows: Sequence[Row], tasks: Mapping[str, str]) -> list[Line]:
    """The figures of one ranker: of all rows, and task by task where prompts have tasks."""
    by_task: dict[str, list[Row]] = {"": list(rows)}
    for row in rows:
        if task := tasks.get(str(row["prompt"])):
            by_task.setdefault(task, []).append(row)
    kinds = by_task.items()
    return [_figure(task, own) for task, own in kinds if own]


def _figure(task: str, rows: Sequence[Row]) -> Line:
    known = [(row["score"], str(row["prompt"])) for row in rows if row["score"] is not None]
    numbers = {prompt: at for at, prompt in enumerate(dict.fromkeys(prompt for _, prompt in known))}
    mean: Mean = clustered_mean([score for score, _ in known], [numbers[prompt] for _, prompt in known])
    low, high = mean.interval()
    plain = [None if each != each else round(each, 6) for each in (mean.mean, low, high)]
    names = ("mean", "low", "high")
    return {"task": task, "images": len(known), "abstained": len(rows) - len(known)} | dict(
        zip(names, plain, strict=True)
    )


def _section(plan: Plan, prompts: Prompts, lines: Sequence[Line]) -> str:
    own = [line for line in lines if line["prompts"] == prompts.name]
    if not own:
        return f"## {prompts.name}\n\nNo rows yet: `python -m benchmarks.paper --full {plan.folder}`.\n"
    cells = [
        (line["of"], line["ranker"], line["task"], _said(line), f"{line['images']:,}", str(line["abstained"]),
         _paper(line))
        for line in own
    ]  # fmt: skip
    head = ("", "ranker", "task", "mean (95 % interval)", "images", "abstained", "paper")
    return f"## {prompts.name}\n\n{table(head, cells)}"


def _said(line: Line) -> str:
    unit = UNITS.get(line["ranker"], 1.0)
    if line["mean"] is None:
        return "none"
    if line["low"] is None:
        return f"{unit * line['mean']:.4g}"
    return f"{unit * line['mean']:.4g} ({unit * line['low']:.4g} to {unit * line['high']:.4g})"


def _paper(line: Line) -> str:
    """The paper's number for this line, where it has one: the base's, or DrPO's with PickScore as reward."""
    of, after = line["of"], not line["of"].startswith("base-")
    if line["prompts"] == "GenEval":
        whole = line["generator"] == "sd_turbo" and (not after or of == "sd_turbo_geneval")
        return f"{GENEVAL[line['task']][after]} %" if whole and line["task"] in GENEVAL else ""
    if line["prompts"] != SETS[0].name or (after and of in ("hpsv3", "sd_turbo_geneval")):
        return ""
    known = PAPER.get(line["generator"], {}).get(line["ranker"])
    return f"{known[after]}" if known else ""

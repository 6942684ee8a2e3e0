"""How ``field=value`` on the command line becomes a `Config`, and how its fields are described there."""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
import textwrap
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from drpo.config import Config, field_docs, written
from rankkit.errors import UsageError

PLACES = ("out", "tracker")
TRACKERS = ("none", "tensorboard", "wandb")
EARLIER_FIELDS = {"look_every": "eval_every"}
EARLIER_VALUES = {("offline", "pictures"): "images"}
FILES = (
    "model",
    "unet",
    "distillation_lora",
    "features_model",
    "prompts",
    "validation",
    "preferences",
    "out",
)
ELSEWHERE = {  # what other trainers call a field
    "lr": "learning_rate",
    "batch_size": "prompts_per_step",
    "train_batch_size": "prompts_per_step",
    "gradient_accumulation_steps": "prompts_per_step",
    "num_generations": "group_size",
    "k": "group_size",
    "m": "anchors",
    "rank": "lora_rank",
    "resolution": "image_size",
    "max_train_steps": "steps",
    "num_inference_steps": "inference_steps",
    "max_grad_norm": "clip",
    "mixed_precision": "precision",
    "dtype": "precision",
    "reward": "ranker",
    "reward_fn": "ranker",
    "base_model": "model",
    "pretrained_model_name_or_path": "model",
    "output_dir": "out",
    "report_to": "tracker",
    "beta": "reference_weight",
}


def with_settings(config: Config, settings: Iterable[str]) -> Config:
    """The config with ``field=value`` settings applied, read by the fields' types; raises `UsageError` for
    what does not fit.
    """
    hints, changes = get_type_hints(Config), dict[str, Any]()
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise UsageError(f"{setting!r} is not a setting; write field=value, e.g. steps=200")
        name, value = up_to_date(name, value)
        if name not in hints:
            raise UsageError(
                f"unknown field {name!r}{_meant(name, [*hints, *PLACES])}; the fields "
                f"are {', '.join([*hints, *PLACES])}"
            )
        read = _read(name, value, hints[name])
        changes[name] = changes.get(name, ()) + read if hints[name] == tuple[str, ...] else read
    return dataclasses.replace(config, **changes)


def _read(name: str, value: str, kind: Any) -> Any:
    if name in FILES:
        return os.path.expanduser(value)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UsageError(
                f"{name}={value}: {name} is one of {', '.join(get_args(kind))}{near(value, get_args(kind))}"
            )
        return value
    if kind == tuple[str, ...]:
        return (value,) if value else ()
    if get_origin(kind) is tuple:
        return tuple(_read(name, part.strip(), get_args(kind)[0]) for part in value.split(","))
    if get_origin(kind) in (Union, types.UnionType):
        raise AssertionError(f"{name}: unions are not read from the command line")
    try:
        return kind(value)
    except ValueError:
        raise UsageError(
            f"{name}={value}: {value!r} is not {'an integer' if kind is int else 'a number'}"
        ) from None


def up_to_date(name: str, value: Any, *, say: bool = True) -> tuple[str, Any]:
    """A field and its value under their present names.

    With `say`, one line tells of what an earlier version called otherwise.
    """
    now = EARLIER_FIELDS.get(name, name)
    read = EARLIER_VALUES.get((now, value), value) if isinstance(value, str) else value
    if say and (now, read) != (name, value):
        print(f"{name}={value} is {now}={read} now", file=sys.stderr)
    return now, read


def placed(settings: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The settings of `PLACES`, which say where a run writes and not what it computes, and all the others.

    Raises `UsageError` where one that takes a single value is given two.
    """
    settings, given = list(settings), dict[str, str]()
    for setting in settings:
        name, _, value = setting.partition("=")
        if given.setdefault(name, value) != value and get_type_hints(Config).get(name) != tuple[str, ...]:
            raise UsageError(f"{name} is given twice, as {given[name]} and as {value}; give it once")
    places = [setting for setting in settings if setting.partition("=")[0] in PLACES and "=" in setting]
    found = dict(setting.split("=", 1) for setting in places)
    found |= {name: os.path.expanduser(value) for name, value in found.items() if name in FILES}
    tracker = found.get("tracker", "none")
    if tracker not in TRACKERS:
        raise UsageError(
            f"tracker={tracker}: tracker is one of {', '.join(TRACKERS)}{near(tracker, TRACKERS)}"
        )
    return found, [setting for setting in settings if setting not in places]


def _meant(name: str, known: Iterable[str]) -> str:
    plain = name.lstrip("-").replace("-", "_").lower()
    return f" (did you mean {ELSEWHERE[plain]!r}?)" if plain in ELSEWHERE else near(plain, known)


def near(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` for the closest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def described() -> str:
    """Every field with its choices or type, its default and its docstring, as lines for a terminal."""
    hints = get_type_hints(Config)
    lines = [
        "\b",
        "Settings, as field=value; a recipe sets what its authors set, the defaults are those of SD-Turbo:",
    ]
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    for name, words in field_docs().items():
        default = "" if defaults[name] in (dataclasses.MISSING, "", ()) else f" = {written(defaults[name])}"
        lines.append(f"{name}{default} ({_kind(hints[name])})")
        lines += textwrap.wrap(words.replace("``", "`"), 72, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def _kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " | ".join(get_args(hint))
    if get_origin(hint) is tuple:
        return f"{_kind(get_args(hint)[0])}, several of them"
    return {int: "integer", float: "number", str: "text"}[hint]

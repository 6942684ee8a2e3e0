"""What is trained and measured at full size, and the paper's numbers for it (arXiv 2606.02521)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drpo.config import Config
from drpo.recipes import recipe
from drpo.settings import with_settings
from rankkit import UsageError

RANKERS = ("pickscore", "aesthetic", "imagereward", "clip", "hpsv2", "hpsv3")
TRAIN, TRAIN_GENEVAL = "train.txt", "train-geneval.jsonl"
SDXL = "sdxl_turbo"


@dataclass(frozen=True, slots=True)
class Prompts:
    """A set of prompts to sample: its file in ``DIR/prompts``, the rankers (the common ones if empty), and
    how many images each prompt gets.
    """

    name: str
    file: str
    rankers: tuple[str, ...] = ()
    each: int = 1


SETS = (
    Prompts("Pick-a-Pic v2 test", "pickapic.txt"),
    Prompts("PartiPrompts", "partiprompts.txt"),
    Prompts("GenEval", "geneval.jsonl", ("geneval",), 4),
)
RECIPES = {  # and the file of prompts that each trains on
    "sd_turbo": TRAIN,
    "hpsv3": TRAIN,
    "sd_turbo_geneval": TRAIN_GENEVAL,
    "sdxl_turbo_mae": TRAIN,
    "sdxl_turbo_unet": TRAIN,
}
# Pick-a-Pic v2 test, by generator: base and DrPO, in the units that the paper prints
PAPER = {
    "sd_turbo": {"pickscore": (21.88, 23.49), "aesthetic": (6.054, 6.485), "imagereward": (5.75, 9.54)},
    SDXL: {"pickscore": (22.45, 23.66), "aesthetic": (6.059, 6.717), "imagereward": (9.36, 12.46)},
}
UNITS = {"pickscore": 100.0, "imagereward": 10.0}  # what the paper multiplies a score by
GENEVAL = {  # SD-Turbo, percent: base and DrPO
    "single_object": (98.8, 100.0), "two_object": (46.5, 55.6), "counting": (33.8, 42.5),
    "colors": (83.8, 87.2), "position": (8.0, 13.0), "color_attr": (9.0, 13.0),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """One folder's work: which recipes with which settings changed, rankers, and whether images per prompt
    are other than the sets' own.

    A setting is ``field=value`` for every recipe, or ``RECIPE.field=value`` for one.
    """

    folder: Path
    recipes: tuple[str, ...] = tuple(RECIPES)
    settings: tuple[str, ...] = ()
    rankers: tuple[str, ...] = RANKERS
    geneval: str = "geneval"

    def config(self, name: str) -> Config:
        """A recipe with the folder's prompts, and what was changed."""
        own = [one.removeprefix(f"{name}.") for one in self.settings if _concerns(one, name)]
        made = dataclasses.replace(recipe(name), prompts=str(self.prompts / RECIPES[name]))
        return with_settings(made, own)

    @property
    def prompts(self) -> Path:
        """Where the files of prompts are."""
        return self.folder / "prompts"

    def rankers_of(self, prompts: Prompts) -> tuple[str, ...]:
        """The rankers that score the images of a set."""
        return tuple(self.geneval if each == "geneval" else each for each in prompts.rankers) or self.rankers

    def check(self) -> None:
        """Raise `UsageError` for recipes that are none, and for files of prompts that are missing, all at
        once.
        """
        if unknown := [name for name in self.recipes if name not in RECIPES]:
            raise UsageError(
                f"no full-size recipe is called {', '.join(unknown)}; there are {', '.join(RECIPES)}"
            )
        wanted = [*(one.file for one in SETS), *(RECIPES[name] for name in self.recipes)]
        missing = [name for name in dict.fromkeys(wanted) if not (self.prompts / name).exists()]
        if missing:
            raise UsageError(
                f"{self.prompts} lacks {', '.join(missing)}: one prompt per line, or rows as GenEval's "
                "evaluation_metadata.jsonl has them (.jsonl)"
            )


def _concerns(setting: str, name: str) -> bool:
    """Whether a setting is for this recipe: its own, or everybody's."""
    head = setting.partition("=")[0]
    return "." not in head or head.startswith(f"{name}.")


def generators(plan: Plan) -> dict[str, Sequence[str]]:
    """The recipes by the generator that they start from: its base is sampled once."""
    found: dict[str, list[str]] = {}
    for name in plan.recipes:
        found.setdefault(plan.config(name).generator, []).append(name)
    return dict(found)

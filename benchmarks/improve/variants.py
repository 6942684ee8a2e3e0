"""Every change that was tried, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.improve import fields, references, sources
from benchmarks.paper.plan import JUDGE
from benchmarks.paper.published import PLACES, SINCE, WITH_BASE
from benchmarks.paper.runs import Run
from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.loss import Drift, drpo_loss
from drpo.run import setup
from drpo.train import Trainer

METHOD = "improve:"  # before a variant's name, in a row
Change = Callable[[Trainer], Trainer]
ENOUGH = "ranker=shapes:mode=until_right"
EASING = "ranker=benchmarks.improve.rankers:Easing"
LONG, LONGER = "steps=400", "steps=560"


@dataclass(frozen=True, slots=True)
class Variant:
    """A change of the method: what a table calls it, what it does, and how a trainer is changed for it.

    `settings` are those it needs over the published method on the recipe `shapes`; it stands beside that
    with the settings `beside`.
    """

    title: str
    words: str
    change: Change = lambda trainer: trainer
    settings: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def _source(kind: type[RankedAnchors]) -> Change:
    def change(trainer: Trainer) -> Trainer:
        had = trainer.source
        assert isinstance(had, RankedAnchors)
        trainer.source = kind(had.ranker, had.config, had.prompts)
        return trainer

    return change


def _field(drift: Drift) -> Change:
    def change(trainer: Trainer) -> Trainer:
        trainer.loss = partial(drpo_loss, drift=drift)  # type: ignore[method-assign]
        return trainer

    return change


def _trainer(kind: type[Trainer]) -> Change:
    def change(had: Trainer) -> Trainer:
        made = kind(had.config, had.generator, had.features, had.source)
        made.at_once = had.at_once
        return made

    return change


VARIANTS: dict[str, Variant] = {
    "antithetic": Variant(
        "antithetic noises", "a group's noises come in pairs n and −n", _source(sources.Antithetic)
    ),
    "self_excluding": Variant(
        "self-excluding anchors",
        "an anchor does not see its own copy, which else takes its side's whole weight",
        _field(fields.self_excluding),
    ),
    "sinkhorn": Variant(
        "Sinkhorn couplings",
        "candidates and either side's anchors are coupled by entropic optimal transport (arXiv 2603.12366)",
        _field(fields.sinkhorn),
    ),
    "by_wins": Variant(
        "tie-aware anchors",
        "every candidate is an anchor, by how many it beats less how many beat it; a tie counts for neither",
        _source(sources.ByWins),
    ),
    "remembered": Variant(
        "remembered anchors",
        "the anchors of the prompt's group before stand beside its own, at half their weight",
        _source(sources.Remembered),
    ),
    "two_rankers": Variant(
        "two rankers, by rank",
        "the detector and, at half its weight, the contrast of an image, combined by mean rank",
        settings=("ranker=shapes*2+contrast",),
    ),
    "place": Variant(
        "features that tell places",
        "of the latent MAE its `std_2` alone and the latents beside it, anchors that do not see their own "
        "copies, 8 of them in place of 12, and twice the weight of the reference",
        settings=PLACES,
    ),
    "place_long": Variant(
        "features that tell places, 400 steps",
        "the same with two and a half times the images, beside the published method with as many",
        settings=(*PLACES, LONG),
        beside=(LONG,),
    ),
    "place_sure": Variant(
        "features that tell places, closer to the reference, 560 steps",
        "the same with the reference at two and a half times its weight and three and a half times the "
        "images, beside the published method with as many",
        settings=(*PLACES[:-1], "reference_weight=0.5", LONGER),
        beside=(LONGER,),
    ),
    "until_right": Variant(
        "right is enough",
        "the detector tells wrong images apart and no right ones, so that a group of which all are right "
        "teaches nothing",
        settings=(ENOUGH,),
    ),
    "place_until_right": Variant(
        "features that tell places, right is enough, 560 steps",
        "both together, with the reference at twice its weight and three and a half times the images, beside "
        "the published method with as many",
        settings=(*PLACES, ENOUGH, LONGER),
        beside=(LONGER,),
    ),
    "place_easing": Variant(
        "features that tell places, right is enough for most, 560 steps",
        "right images are equals once half of their group are right, and told apart by how clean they are "
        "before; else as the last",
        settings=(*PLACES, EASING, LONGER),
        beside=(LONGER,),
    ),
    "with_base": Variant(
        "the base ranked along",
        "the base's samples from the same noises are ranked along with the candidates, and may attract and "
        "repel as they do",
        settings=(WITH_BASE,),
    ),
    "place_with_base": Variant(
        "features that tell places, the base ranked along",
        "both together, at the recipe's own number of images",
        settings=SINCE,
    ),
    "place_with_base_long": Variant(
        "features that tell places, the base ranked along, 400 steps",
        "the same with two and a half times the images, beside the published method with as many",
        settings=(*SINCE, LONG),
        beside=(LONG,),
    ),
    "moving": Variant(
        "moving reference", "the averaged weights stand in for the base", _trainer(references.Moving)
    ),
    "adaptive": Variant(
        "reward-adaptive reference",
        "the reference weighs 0 at first and up to twice its weight as the reward comes near 1 (after arXiv "
        "2603.14128)",
        _trainer(references.Adaptive),
    ),
    "certain": Variant(
        "a judge's standard errors",
        "an anchor weighs what the chance that it is on its side of the border exceeds one half",
        _source(sources.Certain),
        settings=(f"ranker={JUDGE}",),
        beside=(f"ranker={JUDGE}",),
    ),
}


def made(run: Run, config: Config) -> tuple[Trainer, dict[str, Any]]:
    """The trainer of a run: the settings' own, changed where its method is a variant."""
    trainer, _ = setup.trainer(config)
    if run.method.startswith(METHOD):
        trainer = VARIANTS[run.method.removeprefix(METHOD)].change(trainer)
    return trainer, {}

"""What is run and for which table: arms are shared between tables, so the recipe as it stands runs once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.baselines import METHODS
from benchmarks.paper.published import SINCE

SEEDS, TUNING_SEED = (71, 72, 73, 74, 75), 901  # fresh ones: nothing was tuned or looked at with them
QUICK_SEEDS = (61, 62, 63, 64, 65)  # of short runs, which one looks at while settings are still chosen
STEPS, TUNING_STEPS, QUICK_STEPS = 160, 80, 80  # optimizer steps of a run, a try, a short run
QUICK_PROMPTS = 2  # per step of a short run, where the recipe has 4
JUDGE = "benchmarks.paper.judge:better"


def seeds_of(quick: bool) -> tuple[int, ...]:
    """The seeds of runs, in order; short runs have their own."""
    return QUICK_SEEDS if quick else SEEDS


@dataclass(frozen=True, slots=True)
class Arm:
    """One line of a table: how it is trained (``drpo``, a baseline, ``best_of:8`` without training), and the
    settings that differ from the published method on the recipe `shapes`.
    """

    title: str
    method: str = "drpo"
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the paper as a difference: `left` less `factor` times `right` is above `margin`, or
    within ±`margin` where the claim is that they are `alike`. A margin below 0 is what may be lost.

    Differences are of gains over the base in `measure`. Several names in `right` mean the best of them.
    """

    words: str
    left: str
    right: tuple[str, ...] = ()
    factor: float = 1.0
    margin: float = 0.0
    alike: bool = False
    measure: str = "after"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the paper in miniature: its arms, the paper's number for each, and what it claims."""

    name: str
    title: str
    head: str
    arms: tuple[Arm, ...]
    paper: dict[str, str]
    claims: tuple[Claim, ...]
    note: str = ""


DRPO = Arm("DrPO")
NOW = Arm("DrPO, as the recipe does since", "drpo", SINCE)
FREE = ("dpo", "pso", "grpo", "best_of_k")  # baselines that need no gradient of the reward
BASELINES = tuple(Arm(method.title, name) for name, method in METHODS.items())
INFERENCE = (Arm("best of 4 at inference", "best_of:4"), Arm("best of 32 at inference", "best_of:32"))


def _varied(name: str, values: Sequence[object], default: object, *more: str) -> tuple[Arm, ...]:
    """An arm per value of a setting; the recipe's own is the arm DrPO under another title."""
    return tuple(
        Arm(f"{name} {value}", "drpo", () if value == default else (f"{name}={value}", *more))
        for value in values
    )


def _weights(value: int) -> Arm:
    names = ("positive_weight", "negative_weight", "reference_positive_weight", "reference_negative_weight")
    return Arm(f"{value}", "drpo", () if value == 3000 else tuple(f"{name}={value}" for name in names))


def tables() -> dict[str, Table]:
    """Every table by name, the main comparison first."""
    free = tuple(METHODS[name].title for name in FREE)
    binary = Arm("0/1, searched in up to 4 rounds", "drpo", ("ranker=shapes:mode=strict", "max_rounds=4"))
    graded = Arm("graded")
    made = (
        Table(
            "main", "Main comparison", "PickScore ×100, SD-Turbo / SDXL-Turbo",
            (DRPO, NOW, *BASELINES, *INFERENCE),
            {
                "base": "21.88 / 22.45", "DRaFT": "24.69 / 24.45", "VGG-Flow": "23.73 / 24.27",
                "DPO": "22.02 / 22.77", "PSO": "21.88 / 22.56", "GRPO": "21.98 / 22.50",
                "DrPO": "23.49 / 23.66",
            },
            (
                Claim("DrPO learns", "DrPO"),
                Claim("DrPO gains more than every other training without a reward's gradient", "DrPO", free),
                Claim("it gains 1.5 times as much as the best of them", "DrPO", free, 1.5),
                Claim("it gains 0.9 times as much as DRaFT with the proxy", "DrPO", ("DRaFT",), 0.9),
                Claim("DRaFT, which needs the gradient, gains more than DrPO", "DRaFT", ("DrPO",)),
                Claim("one image of DrPO is right as often as the best of four of the base", "DrPO",
                      ("best of 4 at inference",)),
                Claim("one image of the recipe since is about as often right as the best of four of the base",
                      NOW.title, ("best of 4 at inference",), margin=0.03, alike=True),
            ),
            "DRaFT and VGG-Flow follow the gradient of the proxy, never of the detector itself. Best of K at "
            "inference trains nothing: it costs K images and K verdicts at every use. What the recipe does "
            'since stands beside the published method, over five seeds, under "Better than the paper?".',
        ),
        Table(
            "tasks", "GenEval-style tasks", "GenEval, SD-Turbo", (binary, graded), {},
            (Claim("0/1 verdicts alone teach, where candidates are searched for both kinds", binary.title),),
        ),
        Table(
            "candidates", "Candidates per prompt", "PickScore ×100",
            tuple(
                Arm(f"K {k}, {m} anchors", "drpo", () if k == 32 else (f"group_size={k}", f"anchors={m}"))
                for k, m in ((8, 4), (16, 8), (24, 12), (32, 12))
            ),
            {"K 16, 8 anchors": "23.24", "K 24, 12 anchors": "23.53", "K 32, 12 anchors": "23.57"},
            (
                Claim("more candidates are better: 24 against 16", "K 24, 12 anchors", ("K 16, 8 anchors",)),
                Claim("24 are about as good as 32", "K 24, 12 anchors", ("K 32, 12 anchors",), margin=0.03,
                      alike=True),
            ),
            "Equal steps, so fewer candidates are fewer generated images too, as in the paper.",
        ),
        Table(
            "features", "Feature maps", "PickScore ×100",
            _varied("features", ("latent_mae", "latent", "latent_mae+latent"), "latent_mae"),
            {"features latent_mae": "23.5", "features latent": "20.52 (below the base)"},
            (
                Claim("latent MAE is better than raw latents", "features latent_mae", ("features latent",)),
                Claim("raw latents do worse than the base", "base", ("features latent",)),
            ),
            "Missing: DINOv2 and ViT-MAE on decoded images (paper: DINOv2 22.28), whose weights are not in "
            "the package, and the base U-Net's activations, since this U-Net has no down_blocks.2.",
        ),
        Table(
            "kernels", "Kernels", "PickScore ×100",
            _varied("kernel", ("laplacian", "rbf", "cosine"), "laplacian"),
            {"kernel laplacian": "23.51", "kernel rbf": "23.50", "kernel cosine": "23.63"},
            tuple(
                Claim(f"{other} is about as good as laplacian", f"kernel {other}", ("kernel laplacian",),
                      margin=0.03, alike=True)
                for other in ("rbf", "cosine")
            ),
            "Missing: the paper's exponential kernel (23.53), undefined in what could be read.",
        ),
        Table(
            "weights", "Weights of the anchors", "PickScore ×100",
            tuple(_weights(value) for value in (10, 100, 1000, 3000, 10000)),
            {"1000": "23.51", "10000": "23.46"},
            (
                Claim("10 000 is about as good as 1 000", "10000", ("1000",), margin=0.03, alike=True),
                Claim("10 is about as good as 3 000", "10", ("3000",), margin=0.03, alike=True),
            ),
            "All four weights at once: of positives, negatives, the base's samples and the batch's own.",
        ),
        Table(
            "reference", "Reference", "PickScore ×100 (CLIP)",
            (
                Arm("none", "drpo", ("reference_weight=0",)),
                Arm("l2", "drpo", ("reference=l2",)),
                Arm("drift"),
            ),
            {"none": "23.55 (25.88)", "l2": "23.42 (25.98), a perceptual loss", "drift": "23.49 (26.22)"},
            (
                Claim("reference drift costs next to no reward", "drift", ("none",), margin=-0.03),
                Claim("it keeps more diversity than none", "drift", ("none",), measure="diversity"),
                Claim("it keeps more diversity than l2", "drift", ("l2",), measure="diversity"),
            ),
            "The paper's CLIP score says what else is kept; here it is the diversity.",
        ),
        Table(
            "rankers", "Binary, graded and pairwise rankers", "not in the paper as one table",
            (graded, binary, Arm("pairwise judge", "drpo", (f"ranker={JUDGE}",))), {},
            (
                Claim("a pairwise judge teaches as well as the scores behind it", "pairwise judge",
                      ("graded",), margin=0.03, alike=True),
                Claim("0/1 verdicts teach as well as graded ones", binary.title, ("graded",), margin=0.03,
                      alike=True),
            ),
            "The judge sees two images at a time, in both orders, and prefers the first shown by one logit.",
        ),
        Table(
            "offline", "Offline and online", "a first experiment; no number to stand beside",
            (
                Arm("online"),
                Arm("offline, images attract and repel", "drpo", ("offline=images",)),
                Arm("offline, images rank the candidates", "drpo", ("offline=rank",)),
            ),
            {},
            (
                Claim("preferences from disk teach", "offline, images attract and repel"),
                Claim("ranking candidates by nearness teaches", "offline, images rank the candidates"),
            ),
            "32 images of the base per training prompt, the best four chosen, the worst four rejected.",
        ),
        Table(
            "field", "Official and masked field", "official only", _varied("field", ("official", "masked"),
            "official"), {},
            (
                Claim("masked is about as good as official", "field masked", ("field official",), margin=0.03,
                      alike=True),
                Claim("official keeps more diversity", "field official", ("field masked",),
                      measure="diversity"),
            ),
        ),
    )  # fmt: skip
    return {table.name: table for table in made}

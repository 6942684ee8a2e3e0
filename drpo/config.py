"""One run's settings: a frozen dataclass, each field with its docstring."""

from __future__ import annotations

import ast
import inspect
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from drpo.choices import Field, Kernel, Prediction, Scheduler
from rankkit.errors import UsageError

LIMITS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("steps", "prompts_per_step", "group_size", "anchors", "max_rounds", "inference_steps", "graph_steps",
         "lora_rank", "eval_every", "checkpoint_every"),
        lambda value: value >= 1,
        "at least 1",
    ),
    (
        ("radii", "positive_weight", "learning_rate", "clip"),
        lambda value: 0 < value < math.inf,
        "greater than 0, and finite",
    ),
    (
        ("negative_weight", "reference_weight", "reference_positive_weight", "reference_negative_weight",
         "warmup", "timestep", "image_size"),
        lambda value: 0 <= value < math.inf,
        "0 or more, and finite",
    ),
    (("patience",), lambda value: value >= 0, "0 or more seconds"),
    (("beta2", "ema"), lambda value: 0 <= value < 1, "0 or more, and less than 1"),
    (("seed",), lambda value: abs(value) < 2**63, "of less than 64 bits"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that decides what a run computes.

    Defaults are the authors' SD-Turbo settings (arXiv 2606.02521).
    """

    generator: str
    """The family: a file of `drpo.generators`."""
    ranker: str
    """What orders the candidates, by rankkit's grammar:
    ``shapes:mode=strict``, ``hpsv3``, ``package.module:function``, ``a*2+b``.
    """
    prompts: str
    """A text file with one prompt per line, a table with a column ``prompt`` (``.jsonl .csv .tsv .json
    .parquet``; its other columns reach the ranker as metadata), a folder of these, or ``shapes``, built in.
    """
    preferences: str = ""
    """A file of chosen and rejected images (``.json``, ``.jsonl``, or ``.parquet`` as Pick-a-Pic's), or a
    folder of ``.parquet`` shards, to learn from in place of ranked candidates.
    """
    offline: Literal["images", "rank"] = "images"
    """What `preferences` do: the images themselves attract and repel, or they only rank the candidates by
    nearness.
    """
    held_out: tuple[str, ...] = ()
    """Rankers that watch the run and are never trained on; give the setting several times for several."""
    validation: str = ""
    """The prompts the run is evaluated with: as `prompts`, or ``shapes-tuning``; empty takes eight of the
    training prompts.
    """
    eval_every: int = 100
    """Steps between two evaluations: held-out rankers, diversity, and a sample grid of images before and
    after.
    """
    on_alarm: Literal["stop", "warn"] = "stop"
    """What happens when the target rises at the held-out rankers' cost, or diversity is lost."""
    model: str = ""
    """Where the generator's weights are: a hub id or a local folder; empty for the family's own."""
    unet: str = ""
    """The U-Net in place of the model's: a file of weights (``.safetensors``, ``.bin``) or a folder, here or
    on the hub (``owner/repository/file``, ``owner/repository``); of an all-in-one checkpoint its U-Net alone.

    This one and the four below are for ``generator=sdxl_one_step``.
    """
    distillation_lora: str = ""
    """A LoRA that makes the model a one-step generator, merged into its frozen weights before training; a
    file as for `unet`.
    """
    scheduler: Scheduler = "own"
    """What makes the one step: the model's own scheduler, Euler's with trailing timesteps, LCM's or TCD's."""
    timestep: int = 0
    """Where the one step starts, as ``timesteps=[800]`` of diffusers; 0 leaves it to the scheduler."""
    prediction: Prediction = "own"
    """What the U-Net predicts: the noise, the image itself (``sample``) or v; ``own`` is what the model's
    scheduler says.
    """
    inference_steps: int = 1
    """Steps from noise to image, the gradient through the last `graph_steps`; for ``sd_turbo``,
    ``sdxl_turbo``, ``sdxl_one_step``, ``z_image_turbo`` and ``flux2_klein``.
    """
    graph_steps: int = 1
    """Of these how many, counted from the last, the gradient goes through: 2 takes the memory and time of two
    steps' backward, all of them is the full gradient.
    """
    image_size: int = 0
    """Side of an image in pixels, for ``z_image_turbo`` and ``flux2_klein``; 0 is the model's own."""
    steps: int = 1000
    """Optimizer steps."""
    prompts_per_step: int = 8
    """Prompts whose gradients are averaged in one step, over all processes together."""
    group_size: int = 24
    """K, candidates per prompt."""
    anchors: int = 8
    """M, the best that attract and as many of the worst that repel; 2M is at most K."""
    ranked: Literal["candidates", "with_base"] = "candidates"
    """What the ranker orders, and what attracts and repels: a prompt's candidates, or along with them the
    base's samples from the same noises.

    A ranking cannot prefer what its group does not show; what the candidates have lost, the base still shows.
    Twice as many images are decoded and ranked. With `preferences` it changes nothing.
    """
    max_rounds: int = 1
    """For 0/1 rankers: rounds of K candidates to search, the first included, until M pass and M fail; only
    those are learned from.
    """
    features: str = "latent_mae"
    """The map in which the drift is computed: a file of `drpo.features`, or several joined by ``+``; with
    ``:key,key`` only these of its keys, such as ``latent_mae:std_2``.
    """
    features_model: str = ""
    """Where the weights of that map are, or of the one among several that has some: a hub id, a folder or a
    file; empty for its own.
    """
    field: Field = "official"
    """The authors' field, theirs without an anchor's pull on its own copy, or the masked one: see
    `drpo.drift.drift_loss`.
    """
    kernel: Kernel = "laplacian"
    """How affinity falls with distance."""
    radii: tuple[float, ...] = (0.02, 0.05, 0.2)
    """Kernel widths in units of the mean distance; their fields are added."""
    positive_weight: float = 3000.0
    """Weight of a positive against a generated point."""
    negative_weight: float = 3000.0
    """Weight of a negative against a generated point."""
    reduce: Literal["sum", "mean"] = "sum"
    """How the losses of several feature keys become one."""
    reference: Literal["drift", "l2"] = "drift"
    """What holds the generator near its base: the drift towards the base's samples, or the squared distance
    to them, pair by pair.
    """
    reference_weight: float = 0.2
    """Lambda, the reference term against the preference term; 0 leaves it out."""
    reference_positive_weight: float = 3000.0
    """Weight of the base's samples in the reference drift."""
    reference_negative_weight: float = 3000.0
    """Weight of the batch's own samples in the reference drift."""
    learning_rate: float = 1e-4
    """AdamW's, after the warm-up."""
    beta2: float = 0.999
    """AdamW's second moment decay; small for short runs."""
    warmup: int = 0
    """Steps over which the learning rate rises linearly."""
    clip: float = 1.0
    """Largest norm of a step's gradient."""
    ema: float = 0.0
    """Decay per step of the averaged weights that are saved and evaluated; 0 saves the last ones."""
    lora_rank: int = 16
    """Rank, and alpha, of the LoRA on the attention layers."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the frozen weights; the LoRA is always fp32.

    ``auto`` is bf16 on a GPU and fp32 elsewhere; ``fp16`` scales its losses.
    """
    checkpointing: Literal["auto", "on", "off"] = "auto"
    """Whether activations are made anew in backward in place of being kept: slower, in a tenth of the memory.

    ``off`` keeps those of as many prompts of a step as fit into three quarters of a GPU's free memory, or a
    third of a machine's, and calls the network and the ranker once for all of these; ``on`` takes the prompts
    one by one; ``auto`` is ``on`` only where those of one prompt do not fit.
    """
    overlap: Literal["exact", "one_step"] = "exact"
    """What is done while the ranker answers: with ``exact`` only what does not change what is learned (the
    base's samples, for a ranker elsewhere).

    ``one_step`` also makes the next step's candidates, before this step's update, and asks about them, in
    whatever process the ranker is: anchors are one update old, and candidates are made twice.
    """
    patience: float = 600.0
    """Seconds that a ranker elsewhere may not answer before the run stops, to go on when it is back."""
    seed: int = 0
    """Decides LoRA initialisation, order of prompts and every noise."""
    checkpoint_every: int = 100
    """Steps between full-state checkpoints."""

    def __post_init__(self) -> None:
        for names, fits, wanted in LIMITS:
            for name in names:
                value = getattr(self, name)
                if not all(map(fits, value if isinstance(value, tuple) else (value,))) or value == ():
                    raise UsageError(f"{name}={written(value)} must be {wanted}")
        if self.anchors < 1 or self.group_size < 2 * self.anchors:
            raise UsageError(
                f"group_size={self.group_size} is less than twice anchors={self.anchors}; best and worst "
                f"would overlap"
            )
        if self.overlap == "one_step" and (self.preferences or self.max_rounds > 1):
            raise UsageError(
                "overlap=one_step: with preferences= nobody is asked, and with max_rounds= the answers "
                "decide what is made next, so nothing can be made meanwhile; leave overlap=exact"
            )
        if self.ranked == "with_base" and self.max_rounds > 1:
            raise UsageError(
                f"max_rounds={self.max_rounds}: candidates are searched until enough of them pass and fail, "
                "and the base's samples have no part in that; give ranked=candidates with it"
            )
        if self.graph_steps > self.inference_steps:
            raise UsageError(
                f"graph_steps={self.graph_steps}: candidates are made in inference_steps="
                f"{self.inference_steps}, and the gradient goes through no more than all of them"
            )


def written(value: Any) -> str:
    """A value of a field as it stands after the ``=``."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def field_docs() -> dict[str, str]:
    """Every field's docstring, on one line, in the order of the fields."""
    (body,) = (
        node.body for node in ast.parse(inspect.getsource(Config)).body if isinstance(node, ast.ClassDef)
    )
    found: dict[str, str] = {}
    for field, words in itertools.pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(words, ast.Expr)
        ):
            assert isinstance(words.value, ast.Constant)
            found[field.target.id] = " ".join(str(words.value.value).split())
    return found

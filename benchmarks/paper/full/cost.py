"""What the whole costs before it is begun: GPU hours, from measured rates, each assumption said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.paper.full.plan import SDXL, SETS, Plan, generators
from benchmarks.paper.rows import read
from benchmarks.record import RESULTS
from drpo.config import Config
from drpo.data.prompts import prompts

SDXL_FACTOR = 3.0  # its U-Net's work against SD-Turbo's: 2.57 and .87 billion weights, at the same 64 x 64
ASSUMED = (
    "seconds for a candidate are those of the recipe sd_turbo on one {gpu} ({date}, bf16); another ranker in "
    "training takes what it takes when scoring, HPSv3 the time of its {work} TFLOP for an image at the "
    "decoder's measured speed; SDXL-Turbo's U-Net is taken as "
    f"{SDXL_FACTOR:g} times SD-Turbo's; "
    "searching for 0/1 rewards as half of its most rounds; evaluations and loading are left out"
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds of one candidate by phase in training by the ranker `judge`, images a second by ranker, and
    TFLOP by network.
    """

    phases: Mapping[str, float]
    images_per_second: Mapping[str, float]
    work: Mapping[str, Mapping[str, float]]
    gpu: str
    date: str
    judge: str

    def ranking(self, ranker: str) -> float | None:
        """Seconds that a ranker takes for an image; None where nothing is known of it."""
        if ranker in self.images_per_second:
            return 1 / self.images_per_second[ranker]
        if ranker != "hpsv3":
            return None
        speed = self.work["decoder"]["forward"] / self.phases["decode"]  # TFLOP a second
        return self.work["ranker"]["forward"] / speed


def rates() -> Rates:
    """What was measured, from results/gpu.jsonl and results/flops.jsonl."""
    rows = read(RESULTS / "gpu.jsonl")
    cells = [(row, cell) for row in rows if row["benchmark"] == "gpu-train" for cell in row["rows"]]
    trained, cell = next(found for found in reversed(cells) if found[1]["recipe"] == "sd_turbo")
    phases = {name: seconds / cell["candidates"] for name, seconds in cell["phases"].items()}
    scored = [one for row in rows if row["benchmark"] == "gpu-score" for one in row["rows"]]
    speeds = {one["ranker"]: _speed(one) for one in scored}  # the last of a name counts: it is bfloat16
    work = next(row["networks"] for row in reversed(read(RESULTS / "flops.jsonl")) if "networks" in row)
    return Rates(phases, speeds, work, trained["gpu"], trained["date"], cell["ranker"])


def _speed(row: Mapping[str, Any]) -> float:
    return float(row.get("images per second") or row["pictures per second"])


def estimate(plan: Plan, known: Rates) -> tuple[list[tuple[str, float]], list[str]]:
    """GPU hours by piece of work, and the pieces of which nothing was measured."""
    hours: list[tuple[str, float]] = []
    unknown: list[str] = []
    for name in plan.recipes:
        seconds = training(plan.config(name), known)
        if seconds is None:
            unknown.append(f"training {name} ({plan.config(name).ranker})")
        else:
            hours.append((f"training {name}", seconds / 3600))
    images = {one.name: len(prompts(str(plan.prompts / one.file))) * one.each for one in SETS}
    for generator, names in generators(plan).items():
        count = sum(images.values()) * (len(names) + 1)
        hours.append((f"sampling {generator}, {count:,} images", count * _making(generator, known) / 3600))
    runs = len(plan.recipes) + len(generators(plan))
    for one in SETS:
        for ranker in plan.rankers_of(one):
            each = known.ranking(ranker)
            if each is None:
                unknown.append(f"{ranker} on {images[one.name] * runs:,} images of {one.name}")
            else:
                hours.append((f"{ranker} on {one.name}", images[one.name] * runs * each / 3600))
    return hours, unknown


def training(config: Config, known: Rates) -> float | None:
    """Seconds of a whole run; None where nothing is known of its ranker."""
    ranker = known.phases["rank"] if config.ranker == known.judge else known.ranking(config.ranker)
    if ranker is None:
        return None
    wider = SDXL_FACTOR if config.generator == SDXL else 1.0
    phases = known.phases
    seen = wider * (phases["generate"] + phases["reference"] + phases["backward"]) + phases["features"]
    searched = max(0, config.max_rounds - 1) / 2 * (wider * phases["generate"] + phases["decode"] + ranker)
    candidates = config.steps * config.prompts_per_step * config.group_size
    return candidates * (seen + phases["decode"] + ranker + searched)


def told(plan: Plan) -> str:
    """The cost in words, for before anything is begun."""
    known = rates()
    hours, unknown = estimate(plan, known)
    lines = [f"  {each:7.2f} GPU hours  {what}" for what, each in hours]
    total = f"  {sum(each for _, each in hours):7.2f} GPU hours in all, of what was measured"
    said = ASSUMED.format(gpu=known.gpu, date=known.date, work=f"{known.work['ranker']['forward']:.1f}")
    missing = [f"not measured, so not counted: {'; '.join(unknown)}"] if unknown else []
    return "\n".join(["This will cost about:", *lines, total, *missing, f"Assumed: {said}."])


def _making(generator: str, known: Rates) -> float:
    """Seconds of one image."""
    wider = SDXL_FACTOR if generator == SDXL else 1.0
    return wider * known.phases["generate"] + known.phases["decode"]

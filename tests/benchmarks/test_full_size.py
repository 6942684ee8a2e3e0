"""The paper at full size: the recipes hold its settings, the cost is said beforehand, and the whole command
runs on tiny random pipelines, every stage real.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path

import pytest
import tiny_pipelines

from benchmarks.paper.full import command, cost, page, stages
from benchmarks.paper.full.plan import PAPER, RECIPES, SETS, Plan
from drpo.features.latent_mae import PATCHES
from drpo.features.teacher_unet import BLOCKS, TeacherUNet
from drpo.recipes import recipe

SHARED = {
    "kernel": "laplacian", "radii": (0.02, 0.05, 0.2), "field": "official", "anchors": 8, "lora_rank": 16,
    "prompts_per_step": 8, "clip": 1.0, "precision": "auto", "positive_weight": 3000, "reference": "drift",
    "ema": 0.0, "warmup": 0,
}  # fmt: skip
THOUSANDS = {"negative_weight": 3000, "reference_positive_weight": 3000, "reference_negative_weight": 3000}
SD = SHARED | THOUSANDS | {
    "generator": "sd_turbo", "group_size": 24, "features": "latent_mae", "reference_weight": 0.2,
    "learning_rate": 1e-4, "steps": 1000, "reduce": "sum", "max_rounds": 1, "ranker": "pickscore",
}  # fmt: skip
SDXL = SD | {
    "generator": "sdxl_turbo", "group_size": 16, "features": "vit_mae", "learning_rate": 1e-5, "steps": 5000,
    "reduce": "mean",
}  # fmt: skip
PUBLISHED = {  # arXiv 2606.02521, and the authors' recipes
    "sd_turbo": SD,
    "hpsv3": SD | {"ranker": "hpsv3"},
    "sd_turbo_geneval": SD | {"ranker": "geneval", "max_rounds": 4},
    "sdxl_turbo_mae": SDXL,
    "sdxl_turbo_unet": SDXL | {
        "features": "teacher_unet", "negative_weight": 2000, "reference_weight": 0.25,
        "reference_positive_weight": 3500, "reference_negative_weight": 5000,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_full_size_recipe_holds_the_papers_settings(name: str) -> None:
    held = dataclasses.asdict(recipe(name))
    assert {field: held[field] for field in PUBLISHED[name]} == PUBLISHED[name]


def test_the_feature_maps_hold_the_papers_settings() -> None:
    seen = {name: one.default for name, one in inspect.signature(TeacherUNet).parameters.items()}
    assert BLOCKS == ("down_blocks.2", "mid_block", "up_blocks.0") and PATCHES == (2, 4)
    assert (seen["noise"], seen["timestep"], seen["pool"]) == (0.1, 100, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files of prompts, two each."""
    (tmp_path / "prompts").mkdir()
    for name in {*RECIPES.values(), *(one.file for one in SETS)}:
        rows = [
            {"prompt": f"a photo of a {word}", "tag": task}
            for word, task in (("cat", "counting"), ("dog", "x"))
        ]
        texts = [json.dumps(row) if name.endswith(".jsonl") else row["prompt"] for row in rows]
        (tmp_path / "prompts" / name).write_text("\n".join(texts) + "\n")
    return tmp_path


def test_the_cost_is_said_with_its_assumptions_and_what_was_never_measured_is_not_guessed(
    folder: Path,
) -> None:
    told = cost.told(Plan(folder))
    assert "training sd_turbo\n" in told and "GPU hours in all, of what was measured" in told
    assert "training sd_turbo_geneval (geneval)" in told.partition("not measured, so not counted")[2]
    hours = dict(cost.estimate(Plan(folder), cost.rates())[0])
    assert 2 < hours["training sd_turbo"] < 5 < hours["training hpsv3"]


def test_files_of_prompts_that_are_missing_are_named_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--full", str(tmp_path), "sd_turbo"]) == 1
    said = capsys.readouterr().err
    assert all(one.file in said for one in SETS) and "train.txt" in said and "train-geneval" not in said
    assert command.main(["--full", str(tmp_path), "sd_trubo"]) == 1
    assert "sd_trubo" in capsys.readouterr().err


def tiny(folder: Path, pipes: Path) -> list[str]:
    """The command for the folder on tiny random pipelines."""
    both = ["steps=1", "prompts_per_step=1", "group_size=4", "anchors=1", "features=latent", "held_out="]
    both += ["ranker=contrast"]
    own = [f"sd_turbo.model={tiny_pipelines.sd(pipes / 'sd')}", "sd_turbo.seed=3"]
    own += [f"sdxl_turbo_mae.model={tiny_pipelines.sdxl(pipes / 'sdxl')}"]
    settings = [word for one in [*both, *own] for word in ("--set", one)]
    rankers = ["-r", "contrast", "-r", "sharpness", "--geneval", "contrast"]
    return ["--full", str(folder), "sd_turbo", "sdxl_turbo_mae", *settings, *rankers]


def test_the_whole_command_runs_on_tiny_pipelines_and_goes_on_where_it_was_interrupted(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = tiny(folder, tmp_path_factory.mktemp("pipes"))
    assert command.main(arguments) == 0
    lines = [json.loads(line) for line in (folder / "tables.jsonl").read_text().splitlines()]
    whole = [line for line in lines if not line["task"]]
    assert {line["of"] for line in lines} == {
        "base-sd_turbo",
        "sd_turbo",
        "base-sdxl_turbo",
        "sdxl_turbo_mae",
    }
    assert [line["images"] for line in whole if line["prompts"] == "GenEval"] == [8] * 4
    assert {line["task"] for line in lines} == {"", "counting", "x"}
    assert "33.8 %" in (folder / "tables.md").read_text()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    (folder / "sd_turbo" / "geneval" / stages.DONE).unlink()
    monkeypatch.setattr(stages.setup, "trainer", lambda config: pytest.fail("trained again"))
    assert command.main(arguments) == 0
    renewed = {
        path.relative_to(folder).parts[:2] for path, at in before.items() if path.stat().st_mtime_ns != at
    }
    assert renewed == {("sd_turbo", "geneval")}


@pytest.mark.slow
def test_the_other_recipes_run_too_each_with_what_is_its_own(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pipes = tmp_path_factory.mktemp("pipes")
    sd = tiny_pipelines.sd(pipes / "sd")
    three = tiny_pipelines.sdxl(pipes / "sdxl", unet=tiny_pipelines.THREE_BLOCKS)
    settings = ["steps=1", "prompts_per_step=1", "group_size=4", "anchors=1", "held_out="]
    settings += [f"hpsv3.{one}" for one in (f"model={sd}", "features=latent", "ranker=contrast")]
    settings += [
        f"sd_turbo_geneval.{one}" for one in (f"model={sd}", "features=latent", "ranker=tossed:heads")
    ]
    settings += [f"sdxl_turbo_unet.{one}" for one in (f"model={three}", "ranker=contrast")]
    names = ["hpsv3", "sd_turbo_geneval", "sdxl_turbo_unet"]
    chosen = [word for one in settings for word in ("--set", one)]
    given = ["--full", str(folder), *names, *chosen, "-r", "contrast", "--geneval", "tossed:heads"]
    assert command.main(given) == 0
    lines = [json.loads(line) for line in (folder / "tables.jsonl").read_text().splitlines()]
    assert {line["of"] for line in lines} == {"base-sd_turbo", "base-sdxl_turbo", *names}
    for name in names:
        kept = json.loads((folder / name / stages.RUN / "config.json").read_text())
        (row,) = [json.loads(line) for line in (folder / name / stages.RUN / "log.jsonl").open()]
        assert row["skipped"] == 0 and row["loss"] > 0, name
        assert kept["max_rounds"] == recipe(name).max_rounds
    assert kept["features"] == "teacher_unet", "seen through the U-Net's own three blocks"


def test_the_papers_numbers_stand_beside_what_they_were_measured_on(folder: Path) -> None:
    line = {"prompts": SETS[0].name, "generator": "sd_turbo", "of": "base-sd_turbo", "ranker": "pickscore"}
    assert page._paper(line) == str(PAPER["sd_turbo"]["pickscore"][0])
    assert page._paper(line | {"of": "sd_turbo"}) == "23.49" and page._paper(line | {"of": "hpsv3"}) == ""
    assert "No rows yet" in page.write(Plan(folder))[0].read_text()

"""What `drpo sample` writes, and what it leaves alone."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from drpo.cli import app
from drpo.recipes import shapes
from drpo.run import checkpoint
from drpo.run.sample import sample_run
from rankkit import Group, Ranking, RankkitError, UsageError, load
from rankkit.io.prompts import survey


@pytest.mark.parametrize("name", ["00001/0.png", "00001"])
def test_images_that_drpo_did_not_write_are_never_replaced(tmp_path: Path, name: str) -> None:
    checkpoint.claim(tmp_path / "run", asdict(shapes()))
    (tmp_path / "prompts.txt").write_text("a photo of a red circle\na photo of a blue square\n")
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(UsageError, match="00001.* give another --out"):
        sample_run(tmp_path / "run", tmp_path / "prompts.txt", tmp_path / "out", each=1, base=True)
    assert mine.read_bytes() == b"mine" and not (tmp_path / "out" / "00000").exists()
    mine.unlink()
    for _ in range(2):  # an empty folder, then the folder that drpo wrote
        sample_run(tmp_path / "run", tmp_path / "prompts.txt", tmp_path / "out", each=1, base=True)


def test_a_file_in_the_place_of_the_images_folder_is_refused(tmp_path: Path) -> None:
    checkpoint.claim(tmp_path / "run", asdict(shapes()))
    (tmp_path / "prompts.txt").write_text("a photo of a red circle\n")
    with pytest.raises(UsageError, match=r"prompts\.txt: is no folder; give another --out"):
        sample_run(tmp_path / "run", tmp_path / "prompts.txt", tmp_path / "prompts.txt", base=True)


def sampled(folder: Path, *options: str) -> Result:
    """What `drpo sample` does with the base of a run and two prompts."""
    if not (folder / "run").exists():
        checkpoint.claim(folder / "run", asdict(shapes()))
    (folder / "prompts.txt").write_text("a photo of a red circle\na photo of a blue square\n")
    words = ["sample", str(folder / "run"), "--prompts", str(folder / "prompts.txt"), "--base", *options]
    return CliRunner().invoke(app, [*words, "-o", str(folder / "out")])


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def test_of_an_earlier_sampling_of_more_prompts_nothing_is_left_but_what_is_not_drpos(tmp_path: Path) -> None:
    checkpoint.claim(tmp_path / "run", asdict(shapes()))
    (tmp_path / "prompts.txt").write_text("a photo of a red circle\n" * 3)
    sample_run(tmp_path / "run", tmp_path / "prompts.txt", tmp_path / "out", each=2, base=True)
    (tmp_path / "out/00002/notes.md").write_text("mine")
    (tmp_path / "prompts.txt").write_text("a photo of a blue square\n")
    sample_run(tmp_path / "run", tmp_path / "prompts.txt", tmp_path / "out", each=1, base=True)
    assert files(tmp_path / "out") == ["00000/0.png", "00000/prompt.txt", "00002/notes.md"]


def test_of_many_candidates_the_best_is_kept_and_its_row_says_of_how_many(tmp_path: Path) -> None:
    assert sampled(tmp_path, "--each", "6").exit_code == 0
    every = [[Image.open(tmp_path / f"out/{i:05d}/{n}.png") for n in range(6)] for i in range(2)]
    scores = [
        load("shapes").rank([Group(prompt, tuple(images))])[0].scores
        for prompt, images in zip(("a photo of a red circle", "a photo of a blue square"), every, strict=True)
    ]
    assert sampled(tmp_path, "--best-of", "6", "-r", "shapes").exit_code == 0
    assert files(tmp_path / "out") == [
        "00000/0.png", "00000/prompt.txt", "00001/0.png", "00001/prompt.txt", "metadata.jsonl",
    ]  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "out/metadata.jsonl").read_text().splitlines()]
    for row, of_prompt, images in zip(rows, scores, every, strict=True):
        assert row["score"] == max(of_prompt) == of_prompt[row["candidate"]]
        assert (row["ranker"], row["best_of"], row["rank"]) == ("shapes", 6, min(Ranking(of_prompt).ranks))
        kept = Image.open(tmp_path / "out" / row["file_name"])
        assert kept.tobytes() == images[row["candidate"]].tobytes()
    assert [item.prompt for item in survey([tmp_path / "out"])[0].items()] == [row["prompt"] for row in rows]


def test_a_prompt_whose_candidates_the_ranker_cannot_judge_gets_no_image_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blind.py").write_text(
        "def blind(image, prompt):\n    return 1.0 if 'circle' in prompt else None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    done = sampled(tmp_path, "--best-of", "3", "-r", "blind:blind", "--each", "2")
    assert done.exit_code == 3 and "1 prompts have no image" in done.stderr
    assert "a photo of a blue square: blind:blind abstained on all 3 candidates" in done.stderr
    assert [name for name in files(tmp_path / "out") if name.endswith("png")] == [
        "00000/0.png",
        "00000/1.png",
    ]


@pytest.mark.parametrize("options, words", [
    (["--best-of", "4"], "needs the ranker"), (["-r", "shapes"], "-r needs --best-of"),
    (["--best-of", "2", "--each", "3", "-r", "shapes"], "of 2 candidates 3 cannot be kept"),
    (["--best-of", "2", "-r", "nobody"], "nobody"),
])  # fmt: skip
def test_a_wrong_best_of_is_refused_before_anything_is_sampled(
    tmp_path: Path, options: list[str], words: str
) -> None:
    done = sampled(tmp_path, *options)
    assert isinstance(done.exception, RankkitError) and words in str(done.exception)
    assert not (tmp_path / "out").exists()

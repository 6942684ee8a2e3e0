"""Prompts reach training from whatever file they are kept in, with what came with them, and so the ranker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_generator import SETTINGS, Judge, Scorer, ToyGenerator
from typer.testing import CliRunner

from drpo import build
from drpo.anchors import RankedAnchors
from drpo.cli import app
from drpo.data.prompts import prompts
from drpo.features.latent import Latent
from drpo.report.evaluate import evaluate
from drpo.run import checkpoint
from drpo.run.monitor import Monitor
from drpo.run.sample import sample_run
from drpo.train import Trainer
from drpo.types import Prompt
from rankkit import Group, Ranker, Ranking, RankkitError
from rankkit.io.prompts.survey import survey

TEXTS = ["a photo of a red circle", "a photo of two squares", "a print of a cross"]
CLAUSES = {"tag": "counting", "include": [{"class": "yak", "count": 2}]}


def written(folder: Path, kind: str) -> Path:
    """The texts in a file of this kind, or a folder, with a column beside them."""
    path, rows = folder / f"p.{kind}", [{"id": f"n{n}", "prompt": text} for n, text in enumerate(TEXTS)]
    separated = {"csv": ",", "tsv": "\t"}
    if kind == "txt":
        path.write_text("\n".join(TEXTS))
    elif kind in separated:
        path.write_text(
            "".join(separated[kind].join(row) + "\n" for row in [["id", "prompt"], *map(dict.values, rows)])
        )
    elif kind == "parquet":
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(rows), path)
    elif kind == "folder":
        for number, row in enumerate(rows):
            (path / f"{number:05d}").mkdir(parents=True)
            (path / f"{number:05d}" / "metadata.jsonl").write_text(json.dumps(row))
    else:
        path.write_text(json.dumps(rows) if kind == "json" else "\n".join(map(json.dumps, rows)))
    return path


@pytest.mark.slow
def test_the_same_prompts_from_seven_kinds_of_file_train_alike(tmp_path: Path) -> None:
    small = ["steps=3", "prompts_per_step=2", "group_size=4", "anchors=2", "held_out=", "validation="]
    traces = []
    for kind in ("txt", "jsonl", "csv", "tsv", "json", "parquet", "folder"):
        out = tmp_path / kind
        settings = [f"prompts={written(tmp_path, kind)}", f"out={out}", *small]
        result = CliRunner().invoke(app, ["train", "shapes", *settings])
        assert result.exit_code == 0, result.output
        traces.append([json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()])
    assert len(traces[0]) == 3 and all(trace == traces[0] for trace in traces)


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv", "tsv", "json", "parquet", "folder"])
def test_the_same_prompts_come_in_the_same_order_from_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    found = prompts(str(written(tmp_path, kind)))
    assert [prompt.text for prompt in found] == TEXTS
    assert [dict(prompt.metadata) for prompt in found] == (
        [{}] * 3 if kind == "txt" else [{"id": "n0"}, {"id": "n1"}, {"id": "n2"}]
    )


def test_how_many_prompts_were_read_is_said_with_the_first_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes("naß\nzwei\ndrei\n".encode("cp1252"))
    prompts(str(path))
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: 3 prompts: naß; zwei; …",
        f"{path}: read as Windows-1252, because it is not UTF-8",
    ]


def test_prompts_that_stand_several_times_are_counted_and_terminals_obey_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "a\\u001b[2J cat"}\n' * 3)
    assert len(prompts(str(tmp_path / "p.jsonl"))) == 3
    assert (
        capsys.readouterr().err == f"{tmp_path}/p.jsonl: 3 prompts (1 different): a [2J cat; a [2J cat; …\n"
    )


def test_a_table_without_a_column_of_prompts_names_its_columns(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,sentence\n1,a cat\n")
    with pytest.raises(RankkitError, match="its columns are id, sentence"):
        prompts(str(tmp_path / "p.csv"))


class Noting:
    """Ranks as another ranker does, and notes the metadata of every group."""

    def __init__(self, ranker: Ranker) -> None:
        self.ranker, self.seen = ranker, list[Any]()

    def rank(self, groups: Sequence[Group]) -> Sequence[Ranking]:
        self.seen += [dict(group.metadata) for group in groups]
        return self.ranker.rank(groups)


@pytest.fixture
def geneval(tmp_path: Path) -> list[Prompt]:
    """A prompt with the clauses of GenEval, from its file."""
    (tmp_path / "m.jsonl").write_text(json.dumps({"prompt": "two yaks", **CLAUSES}) + "\n")
    return prompts(str(tmp_path / "m.jsonl"))


@pytest.mark.parametrize("rounds", [1, 2])
def test_clauses_reach_the_ranker_while_training(rounds: int, geneval: list[Prompt]) -> None:
    ranker = Noting(Scorer())
    config = replace(SETTINGS, max_rounds=rounds, prompts_per_step=1)
    source = RankedAnchors(ranker, config, geneval)
    Trainer(config, ToyGenerator(), Latent(), source).step()
    assert ranker.seen and all(each == CLAUSES for each in ranker.seen)


@pytest.mark.parametrize("kind", [Scorer, Judge])
def test_clauses_reach_the_rankers_of_evaluations(kind: type[Ranker], geneval: list[Prompt]) -> None:
    ranker, toy = Noting(kind()), ToyGenerator()
    made = Monitor({"held": ranker}, "target", geneval)
    made.evaluate(0, made.samples(toy), made.base(toy))
    assert ranker.seen and all(each == CLAUSES for each in ranker.seen)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a finished run of the toy."""
    monkeypatch.setattr(build, "generator", lambda config: Loads())
    out = tmp_path / "run"
    checkpoint.claim(out, vars_of(SETTINGS))
    toy = ToyGenerator()
    torch.save([toy.shift.data, toy.matrix.data], out / "pytorch_lora_weights.safetensors")
    return out


class Loads(ToyGenerator):
    """Takes up a run's weights, which are the base's."""

    def load(self, folder: Path) -> None:
        pass


def vars_of(config: Any) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_clauses_reach_the_rankers_of_a_comparison_with_the_base(
    finished: Path, geneval: list[Prompt]
) -> None:
    ranker = Noting(Scorer())
    evaluate(finished, {"r": ranker}, geneval, each=2)
    assert ranker.seen == [CLAUSES] * 2


def test_samples_keep_the_metadata_for_scoring(finished: Path, geneval: list[Prompt], tmp_path: Path) -> None:
    out = sample_run(finished, tmp_path / "m.jsonl", tmp_path / "samples", each=2)
    (found,) = survey([out])
    items = list(found.items())
    assert [item.prompt for item in items] == ["two yaks"] * 2 and len({item.group for item in items}) == 1
    assert [{name: item.metadata[name] for name in CLAUSES} for item in items] == [CLAUSES] * 2
    (tmp_path / "plain.txt").write_text("two yaks\n")
    sample_run(finished, tmp_path / "plain.txt", out, each=2)
    assert not (out / "metadata.jsonl").exists() and [item.prompt for item in survey([out])[0].items()] == [
        "two yaks",
        "two yaks",
    ]


def test_a_metadata_file_of_somebody_else_is_not_touched(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("two yaks\n")
    (tmp_path / "metadata.jsonl").write_text("mine\n")
    with pytest.raises(RankkitError, match="drpo did not write"):
        sample_run(finished, tmp_path / "plain.txt", tmp_path)
    assert (tmp_path / "metadata.jsonl").read_text() == "mine\n"

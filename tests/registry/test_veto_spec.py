"""A veto as a spec: one ranker's order behind another's bound, on the command line and in Python."""

import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

import rankkit
from rankkit.cli.app import app
from rankkit.errors import BadOption, UnknownRanker, UsageError
from rankkit.io.formats import read_rows
from rankkit.io.rows import label
from rankkit.registry.load import prepare

RANKERS = """
import rankkit

built = []

@rankkit.pointwise
def red(image):
    return image.getpixel((0, 0))[0]

@rankkit.pointwise
def safe(image, prompt, metadata):
    return float(image.getpixel((0, 0))[1] < 128)

class Heavy(rankkit.Pointwise):
    version = "weights-1"

    def __init__(self, *, checkpoint=""):
        built.append(checkpoint)

    def score(self, images):
        return [0.0] * len(images)
"""
SPEC = "veto:ranker=gating:red,by=gating:safe"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "gating.py").write_text(RANKERS)
    sys.modules.pop("gating", None)
    (tmp_path / "in").mkdir()
    for name, colour in {"a": (10, 0, 0), "b": (250, 200, 0), "c": (90, 0, 0), "d": (20, 0, 0)}.items():
        Image.new("RGB", (8, 8), colour).save(f"in/{name}.png")
    return tmp_path


def test_what_the_second_ranker_scores_below_the_bound_ranks_last(place):
    command = ["score", "in", "-r", SPEC, "--prompt", "x", "-o", "rows.jsonl"]
    assert CliRunner().invoke(app, command).exit_code == 0
    rows = {row["image"][-5]: row for row in read_rows("rows.jsonl")}
    assert {name: row["rank"] for name, row in rows.items()} == {"a": 3, "b": 4, "c": 1, "d": 2}
    assert rows["b"]["details"]["vetoed"] and rows["b"]["details"]["ranker"] == 250
    assert rows["a"]["ranker"] == "veto" and rows["a"]["options"]["by"] == "gating:safe"
    again = CliRunner().invoke(app, command)
    assert "0 scored, 4 known already" in again.stderr


def test_it_ranks_as_the_veto_of_python_does(place):
    images = tuple(Image.open(f"in/{name}.png") for name in "abcd")
    group = rankkit.Group("x", images)
    red, safe = (rankkit.load(f"gating:{name}") for name in ("red", "safe"))
    for spec, ranker in (
        (SPEC, red),
        (f"{SPEC.replace('gating:red', chr(34) + 'gating:red*2' + chr(34))}", red),
    ):
        written, built = rankkit.load(spec), rankkit.veto(ranker, by=safe)
        assert written.rank([group])[0].scores == built.rank([group])[0].scores
    options = rankkit.load("veto", ranker="gating:red", by="gating:safe", below=0.5)
    assert options.rank([group])[0].ranks == (3, 4, 1, 2)


def test_what_it_is_made_of_is_known_before_any_weights_are_loaded(place):
    prepared = prepare('veto:ranker="gating:Heavy:checkpoint=a*2+contrast",by=gating:safe,below=0.3')
    import gating

    assert not gating.built and prepared.kind == "listwise" and prepared.needs_prompt
    assert "weights-1" in prepared.identity.version and prepared.reads_metadata
    assert prepared.identity.options["below"] == 0.3
    assert not prepare("veto:ranker=sharpness,by=contrast").reads_metadata


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("veto:ranker=sharpness", BadOption, "veto needs by: write veto:by=VALUE"),
        ("veto:ranker=sharpness,by=sharpnes", UnknownRanker, "by=sharpnes.*did you mean sharpness"),
        ("veto:ranker=sharpness,by=contrast,below=x", BadOption, "below='x' is not"),
        ("veto:ranker=sharpness,by=contrast,below=nan", UsageError, "below=nan is no finite number"),
        ("veto:ranker=sharpness,gate=contrast", BadOption, "veto has no option 'gate'"),
        ("veto:ranker=sharpness,by=contrast:gray=1", BadOption, "no option 'gray'"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_weights_are_loaded(spec, error, message):
    with pytest.raises(error, match=message):
        prepare(spec)


def test_built_rankers_are_for_the_function():
    with pytest.raises(BadOption, match=r"by is written as a ranker.*rankkit\.veto"):
        prepare("veto", ranker="sharpness", by=rankkit.load("contrast"))


def test_rows_name_it_as_it_can_be_written_again(place):
    spec = 'veto:ranker="gating:red*2+contrast",by=gating:safe,below=0.5'
    assert (
        CliRunner().invoke(app, ["score", "in", "-r", spec, "--prompt", "x", "-o", "r.jsonl"]).exit_code == 0
    )
    shown = label(next(iter(read_rows("r.jsonl"))))
    assert shown == spec.replace('"', "'") and prepare(shown).identity == prepare(spec).identity
    chosen = CliRunner().invoke(
        app, ["select", "r.jsonl", "-r", shown, "--top", "1", "--per", "all", "--list"]
    )
    assert chosen.exit_code == 0 and chosen.stdout.strip().endswith("c.png")

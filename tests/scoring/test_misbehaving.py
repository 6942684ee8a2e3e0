"""Rankers that misbehave: what they get wrong is a row with its reason, or one message; never a wrong score,
never a crash.
"""

import json
import sys

import pytest
import score_runs
from score_runs import bomb, by_name, folder, rows, run, score

from rankkit.errors import BrokenRanker

pytestmark = pytest.mark.fault

BAD = """
import rankkit

@rankkit.pointwise
def touchy(image):
    if image.getpixel((0, 0)) == (1, 2, 3):
        raise ValueError("I do not like\\nthis one")
    return 1.0

class Short(rankkit.Pointwise):
    def score(self, images):
        return [1.0] * (len(images) - 1 if len(images) > 1 else 1)

class Empty(rankkit.Pointwise):
    def score(self, images):
        return []

class Quitter(rankkit.Pointwise):
    def score(self, images):
        raise SystemExit(0)

class Weightless(rankkit.Pointwise):
    def __init__(self, *, checkpoint: str = "nowhere"):
        raise FileNotFoundError(f"no weights at {checkpoint}")
    def score(self, images):
        return [0.0] * len(images)

@rankkit.pointwise
def infinite(image):
    return float("inf")

@rankkit.pointwise
def seeing(images, prompts, metadata):
    return [prompt.count("x") + data.get("bonus", 0) for prompt, data in zip(prompts, metadata)]

class Witness:
    def rank(self, groups):
        seen = [{"seen": [group.prompt, dict(group.metadata)]} for group in groups]
        sizes = [len(group.images) for group in groups]
        return [rankkit.Ranking((1.0,) * n, details=(s,) * n) for n, s in zip(sizes, seen)]

class Judge:
    needs_prompt = True
    def rank(self, groups):
        return [rankkit.Ranking(tuple(float(i) for i in range(len(group.images)))) for group in groups]
"""


@pytest.fixture
def bad(tmp_path, monkeypatch):
    """A folder of three images and a module of rankers that misbehave."""
    folder(tmp_path / "in", "abc")
    score_runs.Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "in" / "b.png")
    (tmp_path / "misbehaving.py").write_text(BAD)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_where_a_ranker_raises_only_that_image_abstains(bad):
    assert score(bad / "in", "misbehaving:touchy", bad / "out.jsonl").abstained == 1
    found = by_name(rows(bad / "out.jsonl"))
    assert (found["b.png"]["score"], found["b.png"]["rank"], found["b.png"]["of"]) == (None, None, 2)
    assert found["b.png"]["error"] == "ValueError: I do not like this one" and found["a.png"]["rank"] == 1.5


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Empty", "0 scores for 1"), ("Quitter", "SystemExit"), ("infinite", "finite number")],
)
def test_a_ranker_that_gives_no_usable_number_abstains_and_says_why(bad, name, reason):
    assert score(bad / "in", f"misbehaving:{name}", bad / "out.jsonl").abstained == 3
    assert all(reason in row["error"] for row in rows(bad / "out.jsonl"))
    assert {row["kind"] for row in rows(bad / "out.jsonl")} == {"pointwise"}


def test_a_batch_of_a_wrong_length_is_asked_again_one_by_one(bad):
    assert score(bad / "in", "misbehaving:Short", bad / "out.jsonl").abstained == 0


def test_a_ranker_that_cannot_be_built_ends_the_run_with_one_message(bad):
    with pytest.raises(
        BrokenRanker,
        match=r"misbehaving:Weightless cannot be built: FileNotFoundError: no weights at nowhere",
    ):
        score(bad / "in", ["sharpness", "misbehaving:Weightless"], bad / "out.jsonl")
    assert not list(bad.glob("out.jsonl*"))


def test_a_ranker_that_needs_a_prompt_scores_those_images_that_have_one(bad):
    (bad / "in" / "a.txt").write_text("a blue sky")
    said = []
    assert score(bad / "in", "prompt-color", bad / "out.jsonl", say=said.append).abstained == 2
    assert any("prompt-color cannot do without a prompt" in text and "b.png" in text for text in said)


def test_images_of_one_group_are_each_scored_with_their_own_prompt_and_metadata(bad):
    manifest = bad / "list.jsonl"
    entries = [("a", "x", 0), ("b", "xx", 10), ("c", "xxx", 20)]
    manifest.write_text(
        "".join(
            json.dumps({"image": f"in/{n}.png", "prompt": p, "group": "all", "bonus": b}) + "\n"
            for n, p, b in entries
        )
    )
    score(manifest, "misbehaving:seeing", bad / "out.jsonl")
    found = by_name(rows(bad / "out.jsonl"))
    assert {name: row["score"] for name, row in found.items()} == {"a.png": 1, "b.png": 12, "c.png": 23}
    assert {row["of"] for row in found.values()} == {1}


def test_a_group_never_holds_two_prompts_whatever_the_manifest_calls_it(bad):
    manifest = bad / "list.jsonl"
    manifest.write_text(
        "".join(json.dumps({"image": f"in/{n}.png", "prompt": n, "group": "all"}) + "\n" for n in "abc")
    )
    assert score(manifest, "misbehaving:Judge", bad / "out.jsonl").groups == 3
    assert all("all/" in row["group"] for row in rows(bad / "out.jsonl"))
    assert len({row["group"] for row in rows(bad / "out.jsonl")}) == 3


def test_a_ranker_that_compares_sees_only_what_all_images_of_a_group_have_in_common(bad):
    manifest = bad / "list.jsonl"
    entries = [{"image": f"in/{n}.png", "prompt": "p", "group": "all", "seed": n, "model": "m"} for n in "ab"]
    manifest.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert score(manifest, "misbehaving:Witness", bad / "out.jsonl").abstained == 0
    assert [row["details"]["seen"] for row in rows(bad / "out.jsonl")] == [["p", {"model": "m"}]] * 2


MEDDLER = """
import rankkit
from PIL import Image, ImageFile

ImageFile.LOAD_TRUNCATED_IMAGES = True
Image.MAX_IMAGE_PIXELS = None

@rankkit.pointwise
def shrinking(image):
    image.thumbnail((2, 2))
    return 1.0

class Blackening(rankkit.Pairwise):
    def compare(self, firsts, seconds):
        for image in (*firsts, *seconds):
            image.paste((0, 0, 0), (0, 0, *image.size))
        return [0.5] * len(firsts)
"""


def test_what_a_ranker_does_to_its_images_no_other_ranker_sees(bad):
    (bad / "meddling.py").write_text(
        MEDDLER.replace("ImageFile.LOAD_TRUNCATED_IMAGES = True\nImage.MAX_IMAGE_PIXELS = None\n", "")
    )
    sys.modules.pop("meddling", None)
    score(bad / "in", ["sharpness", "sharpness*1+contrast"], bad / "alone.jsonl")
    score(
        bad / "in",
        ["meddling:shrinking", "sharpness", "meddling:Blackening", "sharpness*1+contrast"],
        bad / "out.jsonl",
    )
    others = [row for row in rows(bad / "out.jsonl") if not row["ranker"].startswith("meddling")]
    assert others == rows(bad / "alone.jsonl")


def test_a_plugin_that_tells_pillow_to_be_careless_does_not_make_us_careless(bad):
    """Many training scripts set these two for the whole process when they are imported."""
    (bad / "meddling.py").write_text(MEDDLER)
    (bad / "in" / "c.png").write_bytes((bad / "in" / "a.png").read_bytes()[:-300])
    bomb(bad / "in" / "d.png", 10_000)
    done = run("score", "in", "-r", "meddling:shrinking", "-o", "out.jsonl", cwd=bad)
    found = by_name(rows(bad / "out.jsonl"))
    assert (
        done.returncode == 3
        and "completely" in found["c.png"]["error"]
        and "limit" in found["d.png"]["error"]
    )
    assert found["a.png"]["error"] is None

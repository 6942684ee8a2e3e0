"""The judge on the command line: scoring, comparing, stopping and going on."""

import json
import os
import random
import re
import subprocess
import sys

import pytest
from PIL import Image


@pytest.fixture
def run(fake, tmp_path):
    def run_(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "rankkit", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
            timeout=60,
        )

    return run_


def folder(place, levels):
    """One folder per prompt with images as bright as the levels."""
    for name, row in levels.items():
        (place / name).mkdir(parents=True)
        (place / name / "prompt.txt").write_text(f"a bright {name}")
        for i, level in enumerate(row):
            Image.new("RGB", (20, 20), (level, level, level)).save(place / name / f"{i}.png")
    return place


def test_a_budget_that_is_spent_is_one_message_and_the_same_command_goes_on(run, fake, tmp_path):
    images = folder(tmp_path / "images", {"cat": (10, 200, 90), "dog": (250, 30, 130)})
    command = ("score", images, "-r", f"vlm-judge:url={fake.url},max_calls=9", "-o", "rows.jsonl")
    first = run(*command)
    assert first.returncode == 1 and not first.stdout and "Traceback" not in first.stderr
    assert (
        "error: the budget is spent: max_calls=9 requests were made; what was judged is kept" in first.stderr
    )
    assert not (tmp_path / "rows.jsonl").exists()
    second = run(*command)
    assert second.returncode == 0, second.stderr
    assert "going on with 3 scores" in second.stderr and len(fake.requests) == 9 + 1 + (12 - 8)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["rank"] for row in sorted(rows, key=lambda row: row["image"])] == [3, 1, 2, 1, 3, 2]
    assert rows[0]["details"]["judge"]["swap_consistency"] == 1 and rows[0]["stderr"] > 0


def test_two_folders_are_compared_by_win_rate_with_an_interval(run, fake, tmp_path):
    names = {f"thing {i}": (120 + 5 * i,) for i in range(12)}
    ours = folder(tmp_path / "ours", {name: (level + 40,) for name, (level,) in names.items()})
    theirs = folder(tmp_path / "theirs", names)
    found = run("compare", ours, theirs, "-r", f"vlm-judge:url={fake.url}")
    assert found.returncode == 0, found.stderr
    assert re.search(
        r"ours wins 100\.0 % of 12 pairs by relative path \(95 % interval [0-9.]+ to 100\.0, 0 ties, p = ",
        found.stdout,
    )


def test_folders_that_differ_by_seed_do_not_differ_significantly_whatever_the_position_bias(
    run, fake, tmp_path
):
    rng = random.Random(1)
    ours, theirs = (
        folder(tmp_path / name, {f"thing {i}": (rng.randint(60, 200),) for i in range(12)})
        for name in ("ours", "theirs")
    )
    same = [(ours / f"thing {i}" / "0.png", theirs / f"thing {i}" / "0.png") for i in range(3)]
    for one, other in same:
        other.write_bytes(one.read_bytes())
    found = {}
    for fake.bias in (-3.0, 3.0):
        told = run("compare", ours, theirs, "-r", f"vlm-judge:url={fake.url},cache=none")
        assert told.returncode == 0, told.stderr
        found[fake.bias] = told.stdout.splitlines()
    verdict, judge = found[3.0]
    assert verdict == found[-3.0][0] and verdict.endswith("not significant: this could be chance")
    assert re.search(
        r"wins \d+\.\d % of 12 pairs by relative path \(95 % interval \d+\.\d to \d+\.\d, "
        r"[3-9] ties, half a win to each, p = 0\.\d+\)",
        verdict,
    )
    assert "calls 18, 0 failed" in judge and "+3.00 logits" in judge
    as_json = json.loads(
        run("compare", theirs, ours, "-r", f"vlm-judge:url={fake.url},cache=none", "--json").stdout
    )
    assert as_json[0]["win_rate"] == pytest.approx(
        1 - float(re.search(r"wins (\S+) %", verdict)[1]) / 100, abs=6e-4
    )


def test_comparing_stops_with_a_message_where_the_server_does(run, fake, tmp_path):
    ours, theirs = (
        folder(tmp_path / name, {f"{i}": (level + i,) for i in range(6)})
        for name, level in (("ours", 90), ("theirs", 30))
    )
    fake.fault = lambda number, body: (
        (403, {"error": {"message": "your trial is over"}}) if number > 4 else None
    )
    found = run("compare", ours, theirs, "-r", f"vlm-judge:url={fake.url}")
    assert found.returncode == 1 and "your trial is over" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("url", "said"), [("http://127.0.0.1:1/v1", "cannot be talked to"), ("nowhere", "not a web address")]
)
def test_a_url_that_cannot_be_is_one_line(run, tmp_path, url, said):
    images = folder(tmp_path / "images", {"cat": (10, 200)})
    found = run("score", images, "-r", f"vlm-judge:url={url},model=m,tries=1")
    assert found.returncode in (1, 2) and said in found.stderr and "Traceback" not in found.stderr


def test_a_judge_with_nothing_to_compare_says_so(run, fake, tmp_path):
    images = folder(tmp_path / "images", {"cat": (10,), "dog": (250,)})
    found = run("score", images, "-r", f"vlm-judge:url={fake.url}")
    assert "no group has a second image for vlm-judge to compare; rankkit compare DIR_A DIR_B" in found.stderr
    assert "no group" not in run("score", images, "-r", f"vqa:url={fake.url}").stderr


def test_the_cards_of_all_rankers_are_listed(run):
    listed = json.loads(run("list", "--verbose", "--json").stdout)
    cards = {each["name"]: each["card"] for each in listed if each["distribution"] == "rankkit-vlm-judge"}
    published = {"vqascore", "unifiedreward", "unifiedreward-pair", "geneval2", "editscore"}
    assert set(cards) == {"vlm-judge", "vqa"} | published
    assert all(card["source"] and card["range"] for card in cards.values())

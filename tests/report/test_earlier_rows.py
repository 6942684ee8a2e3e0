"""Rows of the first version go through leaderboard, gallery and correlations as they were meant."""

import pytest
from gallery_page import Page

from rankkit.analysis.leaderboard import table
from rankkit.analysis.leaderboard_text import render
from rankkit.io.formats import read_rows
from rankkit.report.build import read_results
from rankkit.report.gallery import gallery


@pytest.fixture(params=[".jsonl", ".csv"])
def file(request):
    return request.config.rootpath / "tests" / "data" / f"rows_v1{request.param}"


def test_the_leaderboard_of_the_first_rows(file):
    lines = [line.split() for line in render(table([file]), form="text").splitlines()]
    assert [line[0] for line in lines[2:]] == ["jpeg:quality=80", "judge", "a*2+b"]
    assert lines[2][1:] == ["0.125", "1", "1", "1", "g/a.png"]
    assert lines[3][1:4] == lines[4][1:4] == ["within", "prompts", "only"]


def test_the_gallery_of_the_first_rows(file, tmp_path):
    page = Page(gallery(read_rows(file), tmp_path / "page.html", beside=file))
    figures = {figure.one("div", "name").text: figure for figure in page.all("figure", "candidate")}
    assert sorted(figures) == ["=c.png", "a.png", "b.png", "d.png"]
    assert "cannot be decoded completely: broken" in figures["=c.png"].text
    assert figures["a.png"].one("span", "score").attrs["title"] == "0.125"
    assert "\u00b1 0.5" in figures["b.png"].one("span", "score").text
    assert "the file does not exist" in figures["d.png"].text
    assert page.one("div", "prompt").text == "a “café”, 猫\nand a second line"


def test_the_correlations_of_the_first_rows(file):
    first = list(read_rows(file))
    alone = read_results(first)
    assert alone.agreement == {} and alone.prompts[0].disagreement is None
    scored = [
        {**first[0], "image": image, "score": score} for image, score in (("a", 3.0), ("b", 2.0), ("c", 1.0))
    ]
    reverse = [{**row, "ranker": "other", "score": -row["score"]} for row in scored]
    assert read_results([*scored, *reverse]).agreement == {(0, 1): -1.0}

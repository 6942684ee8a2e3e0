"""The gallery: one file that shows what the rows say, whatever the rows say."""

from __future__ import annotations

import hashlib
import itertools
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from gallery_page import Node, Page, rows_of, save_images
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rankkit.errors import UsageError
from rankkit.io.rows import Row
from rankkit.report.build import read_results
from rankkit.report.extras import Section
from rankkit.report.gallery import gallery
from rankkit.report.html import CONTROLS


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def embedded(page: Page) -> list[Node]:
    return [node for node in page.all("img") if node.attrs["src"].startswith("data:image/jpeg;base64,")]


def test_the_page_is_one_file_that_loads_nothing(tmp_path):
    names = save_images(tmp_path / "images", 3)
    page = Page(gallery(rows_of([1.0, 2.0, 3.0], names=names), tmp_path / "page.html"))
    for node in page.root.every():
        for key in ("src", "href", "srcset", "action", "poster", "data"):
            assert (node.attrs.get(key) or "#").startswith(("#", "data:image/jpeg;base64,")), (
                node.tag,
                node.attrs,
            )
        assert not any(key.startswith("on") or key == "style" for key in node.attrs), (
            "the policy refuses both"
        )
    assert not page.all("link") and len(page.all("script")) == len(page.all("style")) == 1
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attrs["content"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_the_same_rows_make_the_same_bytes(tmp_path):
    rows = rows_of([1.0, 2.0, 3.0], names=save_images(tmp_path / "images", 3))
    first = gallery(rows, tmp_path / "a.html", beside=tmp_path / "r.jsonl").read_bytes()
    assert gallery(iter(rows), tmp_path / "b.html", beside=tmp_path / "r.jsonl").read_bytes() == first


def test_an_older_page_survives_when_writing_fails(tmp_path, monkeypatch):
    out = tmp_path / "page.html"
    gallery(rows_of([1.0]), out)
    before = out.read_bytes()

    def broken():
        yield from rows_of([1.0, 2.0])
        raise RuntimeError("the rows ended badly")

    with pytest.raises(RuntimeError):
        gallery(broken(), out)
    monkeypatch.setattr("rankkit.report.page.run_section", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gallery(rows_of([1.0, 2.0]), out)
    assert out.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_what_cannot_be_written_is_said(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "folder", tmp_path / "file" / "page.html"):
        with pytest.raises(UsageError, match="cannot be written"):
            gallery(rows_of([1.0]), out)
    with pytest.raises(UsageError, match="max_groups is 0"):
        gallery([], tmp_path / "page.html", max_groups=0)
    with pytest.raises(UsageError, match="thumbnail is -1"):
        gallery([], tmp_path / "page.html", thumbnail=-1)
    assert gallery(rows_of([1.0]), tmp_path / "new" / "page.html").is_file(), "a missing folder is made"


HOSTILE = [
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>",
    "</script></style></title><!-- --><svg onload=window.pwned=1>",
    '"\' onmouseover="window.pwned=1" &lt;b&gt; &amp;amp; &#60;',
    "zero\0 bell\x07 escape\x1b return\r line\n tab\t delete\x7f",
    "\u202eright to left\u202c \U0001f408‍⬛ emoji 猫 é é",
    "<b>" * 5000,
    "a" * 3000,
    "line\n" * 50,
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=400) | st.sampled_from(HOSTILE))
def test_any_prompt_is_shown_as_text_and_never_makes_an_element(tmp_path, prompt):
    page = Page(gallery(rows_of([1.0], prompt=prompt, names=["a.png"]), tmp_path / "page.html"))
    prompts = page.one("article", "group").one(cls="prompt")
    assert prompts.all(cls="text")[0].text == prompt.translate({**CONTROLS, 13: "\r"})
    plain = "word " * 100 if prompts.all("details") else "word"
    other = Page(gallery(rows_of([1.0], prompt=plain, names=["a.png"]), tmp_path / "plain.html"))
    assert [node.tag for node in page.root.every()] == [node.tag for node in other.root.every()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_names_reasons_options_and_parameters_never_make_an_element(tmp_path, name, reason, value):
    def tags(name, reason, value):
        rows = rows_of(
            [math.nan, 1.0],
            names=[name, name + "x"],
            details=[{"error": reason or "?"}, {"boxes": value}],
            ranker=f"r{value}",
        )
        out = gallery(rows, tmp_path / "page.html", title=name or "t", parameters={value: reason})
        return [node.tag for node in Page(out).root.every()]

    hostile = [f"<u>{text}</u>\"'><u>" for text in (name, reason, value)]
    assert (
        "u" not in tags(*hostile)
        and tags("n", "r", "v").count("script") == tags(*hostile).count("script") == 1
    )


def test_a_prompt_of_10_000_characters_folds(tmp_path):
    prompt = "a very long prompt, " * 500
    page = Page(gallery(rows_of([1.0], prompt=prompt), tmp_path / "page.html"))
    shown = page.one("article", "group").one(cls="prompt")
    assert len(shown.all("summary")[0].text) <= 280 and shown.all(cls="text")[0].text == prompt
    longest = Page(gallery(rows_of([1.0], prompt="x" * 1_000_000), tmp_path / "page.html"))
    assert "and 980,000 more characters" in longest.one("article", "group").text
    assert (tmp_path / "page.html").stat().st_size < 200_000


def test_images_that_cannot_be_shown_say_why_and_changed_ones_are_marked(tmp_path):
    names = save_images(tmp_path / "images", 4)
    digests = [digest(name) for name in names]
    Path(names[0]).unlink()
    Path(names[1]).write_bytes(b"GIF87a but not really")
    Image.new("RGB", (8, 8)).save(names[2])
    rows = rows_of([4.0, 3.0, 2.0, 1.0], names=names, sha256=digests)
    figures = Page(gallery(rows, tmp_path / "page.html")).all("figure")
    assert "the file does not exist" in figures[0].text and not figures[0].all("img")
    assert "no image" in figures[1].text and "changed since it was scored" in figures[1].text
    assert figures[2].all("img") and "changed since it was scored" in figures[2].text
    assert figures[3].all("img") and "changed" not in figures[3].text
    for figure in figures:
        assert (figure.all("img") or figure.all(role="img"))[0].attrs.keys() & {"alt", "aria-label"}


def test_images_are_found_beside_the_row_file(tmp_path):
    save_images(tmp_path / "data" / "images", 2)
    rows = rows_of([1.0, 2.0], names=["images/0.png", "images/1.png"])
    page = Page(gallery(rows, tmp_path / "out" / "page.html", beside=tmp_path / "data" / "scores.jsonl"))
    assert all(figure.all("img") for figure in page.all("figure"))
    lost = Page(gallery(rows, tmp_path / "out" / "page.html"))
    assert not embedded(lost) and len(lost.all(cls="none")) >= 2


def test_candidates_stand_from_best_to_worst_with_rank_and_score_of_each_ranker(tmp_path):
    rows = rows_of([0.1, 0.9, 0.5], ranker="a") + rows_of([10.0, 30.0, 20.0], ranker="b", version="2")
    page = Page(gallery(rows, tmp_path / "page.html"))
    figures = page.all("figure")
    assert [figure.attrs["data-name"] for figure in figures] == ["1.png", "2.png", "0.png"]
    assert [(figure.attrs["data-r0"], figure.attrs["data-r1"]) for figure in figures] == [
        ("1", "1"),
        ("2", "2"),
        ("3", "3"),
    ]
    assert [tag.text for tag in page.all(cls="tag")] == ["best", "worst"]
    assert all(words in figures[0].text for words in ("1/3", "0.9", "30"))


def test_equals_are_neither_best_nor_worst(tmp_path):
    page = Page(gallery(rows_of([1.0, 1.0, 1.0]), tmp_path / "page.html"))
    assert not page.all(cls="tag") and all("2/3" in figure.text for figure in page.all("figure"))


def test_the_most_disputed_prompt_comes_first(tmp_path):
    rows: list[Row] = []
    for i, second in enumerate(([1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0])):
        rows += rows_of([1.0, 2.0, 3.0], group=str(i), prompt=f"prompt {i}")
        rows += rows_of(second, ranker="b", group=str(i), prompt=f"prompt {i}")
    assert [(p.text, p.disagreement) for p in read_results(rows).disputed] == [
        ("prompt 1", 2.0),
        ("prompt 2", pytest.approx(2 / 3)),
    ]
    page = Page(gallery(rows, tmp_path / "page.html"))
    assert [node.one(cls="prompt").text for node in page.all("article", "dispute")] == [
        "prompt 1",
        "prompt 2",
    ]
    assert len(page.all("svg", "slopes")) == 2


def test_abstentions_are_shown_with_their_reasons_and_take_no_rank(tmp_path):
    rows = rows_of([1.0, math.nan, 2.0], details=[{}, {"error": "the call <timed out>"}, {}])
    page = Page(gallery(rows, tmp_path / "page.html"))
    section = page.one("section", id="abstentions")
    assert "the call <timed out>" in section.text and "1.png" in section.text and "1 image" in section.text
    last = page.all("figure")[-1]
    assert last.attrs["data-name"] == "1.png" and "abstained" in last.text and "data-r0" not in last.attrs
    assert "1/2" in page.all("figure")[0].text


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "There are no rows"),
        (rows_of([0.5], prompt=""), "no prompt"),
        (rows_of([math.nan, math.nan]), "No image has a score"),
        (rows_of([math.nan]) + rows_of([math.nan], ranker="b"), "nothing to disagree about"),
        (rows_of([1.0]) + rows_of([1.0], ranker="b"), "nothing to disagree about"),
        (
            rows_of([1.0, 2.0]) + rows_of([1.0, 2.0], ranker="b"),
            "all rankers give every prompt the same order",
        ),
        (
            rows_of([1.0, 2.0], kind="listwise") + rows_of([1.0], kind="listwise", group="h"),
            "compare within one prompt only",
        ),
        (rows_of([1e308, -1e308, 5e-324]), "e+308"),
        (rows_of([1.0], names=[""]) + rows_of([1.0], names=["a\nb\0c \U0001f408"]), "a b␀c"),
    ],
)
def test_odd_rows_make_a_page_that_says_so(tmp_path, rows, words):
    page = Page(gallery(rows, tmp_path / "page.html"))
    assert words in page.root.text and len(page.all("h1")) == 1


def test_a_group_of_40_000_shows_both_ends_and_counts_what_lies_between(tmp_path):
    n = 40_000
    names = [f"images/{i:05d}.png" for i in range(n)]
    rows = itertools.chain(
        rows_of([float(i) for i in range(n)], names=names),
        rows_of([float(i % 97) for i in range(n)], names=names, ranker="b"),
    )
    page = Page(gallery(rows, tmp_path / "page.html"))
    assert len(page.all("figure")) == 24
    assert "39,976 candidates between these 12 best and these 12 worst are not shown" in page.root.text
    assert "8 of 40,000 candidates: those that move most" in page.root.text
    assert (tmp_path / "page.html").stat().st_size < 500_000


def test_only_the_most_telling_prompts_get_images_and_the_page_says_so(tmp_path):
    rows: list[Row] = []
    for i in range(50):
        text, scores = f"prompt number {i}", [1.0 + i / 100, 2.0 + i / 100]
        rows += rows_of(scores if i != 7 else [math.nan, 2.0], group=str(i), prompt=text)
        rows += rows_of(scores if i != 31 else scores[::-1], group=str(i), prompt=text, ranker="b")
    page = Page(gallery(rows, tmp_path / "page.html", max_groups=6))
    shown = [article.one(cls="prompt").text for article in page.all("article", "group")]
    assert len(shown) == 6 and {
        "prompt number 7",
        "prompt number 31",
        "prompt number 49",
        "prompt number 0",
    } <= set(shown)
    assert (
        "Images are shown for 6 of 50 prompts" in page.root.text
        and "44 prompts without images" in page.root.text
    )
    assert len(page.one("details", "left-out").all("tr")) == 1 + 44
    many = [r for i in range(1500) for r in rows_of([1.0], group=str(i), prompt=str(i))]
    text = Page(gallery(many, tmp_path / "page.html", max_groups=1)).root.text
    assert "499 more prompts can be found in the rows" in text


def test_many_large_groups_share_a_bounded_number_of_images(tmp_path, monkeypatch):
    monkeypatch.setattr("rankkit.report.gallery.MOST_IMAGES", 40)
    rows = [
        row for g in range(4) for row in rows_of([float(i) for i in range(30)], group=str(g), prompt=str(g))
    ]
    page = Page(gallery(rows, tmp_path / "page.html"))
    assert len(page.all("figure")) == 40
    assert "Of prompts with more than 10 candidates, the 5 best and the 5 worst are shown." in page.root.text


def test_thumbnails_are_never_all_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for g in range(40):
        names = [str(tmp_path / f"{g}-{i}.png") for i in range(6)]
        for name in names:
            Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)).save(name, compress_level=1)
        rows += rows_of([float(i) for i in range(6)], names=names, group=str(g), prompt=str(g))
    tracemalloc.start()
    size = gallery(rows, tmp_path / "page.html").stat().st_size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 15e6 and peak < size / 3, (size, peak)


def test_thumbnails_are_no_larger_than_asked(tmp_path):
    names = save_images(tmp_path / "images", 2, size=300)
    for size in (40, 200):
        page = Page(gallery(rows_of([1.0, 2.0], names=names), tmp_path / "page.html", thumbnail=size))
        assert {
            (node.attrs["width"], node.attrs["height"])
            for figure in page.all("figure")
            for node in figure.all("img")
        } == {(str(size), str(size))}


def test_a_pairwise_judge_shows_what_it_knows_of_the_group_once(tmp_path):
    details = [
        {"swap_consistency": 0.875, "calls": 12, "win_rate": w, "reason": f"because {w}"} for w in (0.2, 0.8)
    ]
    page = Page(gallery(rows_of([-1.0, 1.0], kind="pairwise", details=details), tmp_path / "page.html"))
    assert "swap consistency 0.875" in page.one("article", "group").all("p", "told")[0].text
    assert "0.875" in page.one(cls="diagnostics").text
    evidence = [figure.one("details", "evidence").text for figure in page.all("figure")]
    assert all("because" in text and "swap" not in text for text in evidence)


def test_how_far_a_judge_can_be_trusted_is_added_up_in_its_card_and_told_of_every_prompt(tmp_path):
    usual = {
        "calls": 2,
        "failed_calls": 0,
        "pairs": 1,
        "swap_consistency": 1.0,
        "position_bias": 0.5,
        "connected": True,
        "ties": 0,
    }
    failed = {
        **usual,
        "failed_calls": 2,
        "pairs": 0,
        "swap_consistency": None,
        "position_bias": None,
        "failures": {"timeout": 2},
    }
    rows: list[Row] = []
    for group, judge, scores in (("g", usual, [-1.0, 1.0]), ("h", failed, [math.nan, math.nan])):
        details = [
            {"win_rate": 0.5, "judge": judge, **({"error": "no answer"} if math.isnan(score) else {})}
            for score in scores
        ]
        rows += rows_of(scores, kind="pairwise", group=group, prompt=group, details=details)
    page = Page(gallery(rows, tmp_path / "page.html"))
    card = page.one(cls="diagnostics").text
    assert (
        "calls4, 2 failed (timeout 2)" in card
        and "same answer in both orders100 % of 1 pair" in card
        and "+0.50 logits" in card
    )
    first, second = (prompt.one("p", "told").text for prompt in page.all("article", "group"))
    assert "calls 2, 0 failed" in first and "calls 2, 2 failed (timeout 2)" in second
    assert "swap_consistency" not in page.root.text


def test_something_else_that_is_called_a_judge_is_shown_as_any_detail(tmp_path):
    for judge in ("Anna", {"name": "Anna"}, {"calls": {}, "failed_calls": None, "failures": 3}):
        rows = rows_of([1.0, 2.0], kind="pairwise", details=[{"judge": judge, "x": i} for i in (1, 2)])
        page = Page(gallery(rows, tmp_path / "page.html"))
        assert "Anna" in page.root.text or "0, 0 failed" in page.root.text


def test_the_standard_errors_of_a_pairwise_ranker_stand_beside_its_scores(tmp_path):
    rows = [{**row, "stderr": 0.25} for row in rows_of([1.0, 2.0], kind="pairwise")]
    shown = Page(gallery(rows, tmp_path / "page.html")).all("li", "sure")
    assert len(shown) == 2 and all("± 0.25" in each.text for each in shown)


def test_the_run_is_described(tmp_path):
    rows = rows_of([1.0, 2.0], version="rankkit-t2i 0.1.0", options={"quality": 95})
    parameters = {"command": "rankkit score <dir>", "limit": None, "seeds": [1, 2]}
    page = Page(gallery(rows, tmp_path / "page.html", title="A <b>run</b>", parameters=parameters))
    text = page.one("section", id="run").text
    assert all(
        words in text
        for words in ("rankkit-t2i 0.1.0", "quality=95", "rankkit score <dir>", "null", "[1, 2]")
    )
    assert page.one("title").text == "A <b>run</b>" == page.one("h1").text


def test_sections_of_a_caller_stand_above_the_rankers_as_they_are(tmp_path):
    extra = Section("Held-out <rankers>", '<svg viewBox="0 0 9 9"><path d="M0 0L9 9"></path></svg>')
    page = Page(gallery(rows_of([1.0]), tmp_path / "page.html", extras=[extra]))
    section = page.one("section", id="extra1")
    assert section.all("h2")[0].text == "Held-out <rankers>" and section.all("path")[0].attrs == {
        "d": "M0 0L9 9"
    }
    assert [node.attrs.get("id") for node in page.all("section")][:2] == ["extra1", "rankers"]


def test_folders_that_all_answer_the_same_prompts_are_compared(tmp_path):
    rows: list[Row] = []
    for g in range(4):
        rows += rows_of(
            [1.0, 2.0], names=[f"out/sd/{g}.png", f"out/flux/{g}.png"], group=str(g), prompt=str(g)
        )
    page = Page(gallery(rows, tmp_path / "page.html"))
    assert [[cell.text for cell in line.children] for line in page.all("table")[0].all("tr")[1:]] == [
        ["flux", "100 % ± 0"],
        ["sd", "0 % ± 0"],
    ]
    apart = [
        r for g in range(4) for r in rows_of([1.0, 2.0], names=[f"{g}/0.png", f"{g}/1.png"], group=str(g))
    ]
    assert "Folders against each other" not in Page(gallery(apart, tmp_path / "page.html")).root.text

"""EditScore sees the image before the edit beside each candidate, and is read strictly."""

import hashlib
import json
import math

import pytest
from PIL import Image

import rankkit
from rankkit.cli import main
from rankkit.errors import BadOption
from rankkit.testing import check_ranker
from rankkit_vlm_judge.published.words import words
from rankkit_vlm_judge.testing.manners import image_urls
from rankkit_vlm_judge.testing.server import brightness


def one(ranker, *groups):
    (ranking,) = ranker.rank(groups)
    return ranking


def reply(first, second):
    return json.dumps({"reasoning": "It is so.", "score": [first, second]})


def editor(body, better):
    """Follows as far as the second image is brighter than the first; looks as clean as it is bright."""
    levels = [brightness(url) for url in image_urls(body)]
    if len(levels) == 1:
        return reply(25, round(25 * levels[0], 3))
    return reply(round(25 * max(0.0, levels[1] - levels[0]), 3), 20)


@pytest.fixture
def edits(fake, greys):
    fake.says = editor

    def group(*levels, source=None, prompt="make it brighter"):
        metadata = {"source": Image.new("RGB", (24, 24), (20, 20, 20)) if source is None else source}
        return rankkit.Group(prompt, greys(*levels).images, metadata=metadata)

    return group


def test_the_score_is_the_root_of_the_worse_of_each_pair(load, edits):
    ranking = one(load("editscore"), edits(20, 120, 220))
    details = ranking.details[1]
    assert ranking.ranks == (3, 2, 1) and ranking.kind == "pointwise" and ranking.scores[0] == 0.0
    assert details["following"] == pytest.approx(10 * 100 / 255, abs=0.02) and details["kept"] == 8.0
    assert details["natural"] == 10.0 and details["clean"] == pytest.approx(10 * 120 / 255, abs=0.02)
    expected = math.sqrt(details["following"] * details["clean"])
    assert ranking.scores[1] == pytest.approx(expected)


def test_source_and_edited_image_come_first_then_the_words_with_the_instruction(load, fake, edits):
    one(load("editscore"), edits(200, prompt="a {instruction} <instruction>"))
    asked = sorted((body["messages"][0]["content"] for body in fake.requests[1:]), key=len)
    assert [[part["type"] for part in parts] for parts in asked] == [
        ["image_url", "text"],
        ["image_url", "image_url", "text"],
    ]
    assert asked[1][2]["text"].endswith("Editing instruction: a {instruction} <instruction>\n")
    assert "Two images will be provided" in asked[1][2]["text"] and "naturalness" in asked[0][1]["text"]


def test_the_first_models_are_shown_numbered_images(load, fake, edits):
    one(load("editscore", template="qwen2.5"), edits(200))
    parts = max((body["messages"][0]["content"] for body in fake.requests[1:]), key=len)
    assert [part.get("text", "")[:8] for part in parts[:4]] == ["<img1>: ", "", "<img2>: ", ""]


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("editscore-following", "55d6e52e54e29e82"),
        ("editscore-quality", "8249deba103d112d"),
        ("unifiedreward-edit-following", "401b9a17aec0a3c3"),
        ("unifiedreward-edit-quality", "ddb40baa511dbf2f"),
    ],
)
def test_the_words_are_those_of_the_published_code_letter_for_letter(name, digest):
    """The digests are of the strings in the repositories at the commits that LICENCES.md names."""
    assert hashlib.sha256(words(name).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    "text",
    [
        "Very good.",
        '{"score" : [20]}',
        '{"score" : [30, 20]}',
        '{"score" : [1, 2]} or {"score" : [2, 3]}',
        "",
    ],
)
def test_a_reply_without_two_scores_in_range_abstains_with_the_reply_in_its_row(load, fake, edits, text):
    group = edits(200)
    fake.says = lambda body, better: text
    ranking = one(load("editscore"), group)
    assert math.isnan(ranking.scores[0]) and ranking.details[0]["failure"] == "unparsed"
    assert not text or repr(text) in ranking.details[0]["error"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", r"none is named: .*source=PATH"),
        ("nowhere.png", r"source 'nowhere.png': does not exist"),
        (7, "neither an image nor the path"),
        ("https://example.org/a.png", "is an address"),
    ],
)
def test_an_image_without_its_source_abstains_and_nothing_is_asked(load, fake, edits, source, message):
    import re

    ranking = one(load("editscore"), edits(200, source=source))
    assert math.isnan(ranking.scores[0]) and re.search(message, ranking.details[0]["error"])
    assert len(fake.requests) == 1


def test_one_source_for_all_is_an_option_and_part_of_the_version(load, fake, edits, tmp_path):
    from rankkit.plugin import prepare

    path = tmp_path / "source.png"
    Image.new("RGB", (24, 24), (20, 20, 20)).save(path)
    given = load("editscore", original=str(path))
    assert one(given, edits(20, 220, source="")).ranks == (2, 1)
    spec = "editscore:url=http://127.0.0.1:9/v1"
    named = prepare(f"{spec},original={path}").identity.version
    assert named.startswith(prepare(spec).identity.version) and "+sha256:" in named
    with pytest.raises(BadOption, match="original="):
        load("editscore", original=str(tmp_path / "none.png"))


def test_a_folder_of_edits_is_scored_by_the_sources_that_the_table_of_prompts_names(
    fake, greys, tmp_path, monkeypatch
):
    fake.says = editor
    Image.new("RGB", (24, 24), (20, 20, 20)).save(tmp_path / "before.png")
    (tmp_path / "edits").mkdir()
    lines = []
    for name, level in (("a.png", 60), ("b.png", 220)):
        greys(level).images[0].save(tmp_path / "edits" / name)
        lines.append({"image": f"edits/{name}", "prompt": "make it brighter", "source": "before.png"})
    table, rows = tmp_path / "edits.jsonl", tmp_path / "rows.jsonl"
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    spec = f"editscore:url={fake.url},model=brightness-1,cache=none,folder={tmp_path}"
    command = ["score", str(tmp_path / "edits"), "--prompts", str(table), "-r", spec, "-o", str(rows)]
    monkeypatch.setattr("sys.argv", ["rankkit", *command])
    with pytest.raises(SystemExit) as end:
        main()
    scored = [json.loads(line) for line in rows.read_text().splitlines()]
    assert not end.value.code and [row["rank"] for row in scored] == [2, 1]
    assert all("metadata_hash" in row["details"] for row in scored)


def test_editscore_passes_the_contract_check(load, fake, edits, tmp_path):
    path = tmp_path / "source.png"
    Image.new("RGB", (24, 24), (20, 20, 20)).save(path)
    groups = [edits(20, 90, 220, source=str(path)), edits(60, 250, source=str(path))]
    skip = {"prompts-matter": "the fake server judges by brightness alone"}
    check_ranker(load("editscore"), groups=groups, skip=skip)

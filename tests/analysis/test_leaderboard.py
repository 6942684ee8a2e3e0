import csv
import io
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.analysis import stats
from rankkit.analysis.leaderboard import table
from rankkit.analysis.leaderboard_text import plus_minus, render
from rankkit.analysis.stats import Mean
from rankkit.core.types import Identity
from rankkit.errors import BadRows, UsageError
from rankkit.io.formats import replacing
from rankkit.io.rows import label, row

SCORES = {"a/0.png": ("p", 1.0), "a/1.png": ("p", 2.0), "a/2.png": ("q", 6.0)}


def made(image, prompt, score, ranker="mine", kind="pointwise", group=None, **options):
    details = {"error": "refused"} if math.isnan(score) else {}
    identity = Identity(ranker, "1.0", options)
    return row(
        identity,
        group=group or prompt,
        prompt=prompt,
        image=image,
        sha256="",
        kind=kind,
        score=score,
        details=details,
    )


@pytest.fixture
def write(tmp_path):
    def write(name, rows):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as put:
            for each in rows:
                put(each)
        return path

    return write


@pytest.fixture
def scores(write):
    return write("a.jsonl", [made(image, *each) for image, each in SCORES.items()])


def test_rows_that_are_there_twice_count_once(scores, write):
    once = table([scores])
    assert table([scores, scores]).cells == once.cells
    again = write("b.jsonl", [made(image, *each) for image, each in SCORES.items()])
    (cell,) = table([scores, again], by="folder").cells.values()
    assert (cell.mean, len(cell.scores)) == (next(iter(once.cells.values())).mean, 3)


def test_versions_of_a_ranker_are_no_one_column(write):
    old, new = (
        [made(image, *each) | {"version": version} for image, each in SCORES.items()]
        for version in ("1", "2")
    )
    found = table([write("old.jsonl", old), write("new.jsonl", new)])
    assert found.rankers == ("mine (1)", "mine (2)")
    assert [math.isnan(cell.wins.rate) for cell in found.cells.values()] == [True, True]


def test_one_file_has_one_line_per_ranker_with_its_mean_clustered_by_prompt(scores):
    (cell,) = table([scores]).cells.values()
    expected = stats.clustered_mean([1.0, 2.0, 6.0], [0, 0, 1])
    assert cell.mean == expected
    text = render(table([scores]))
    assert text.splitlines()[0].split() == [
        "ranker",
        "mean",
        "±",
        "stderr",
        "images",
        "prompts",
        "abstained",
        "best",
    ]
    assert text.splitlines()[2].split("  ")[0] == "mine" and plus_minus(expected) in text
    assert text.splitlines()[2].split()[-4:] == ["3", "2", "0", "a/2.png"]


def test_images_without_a_prompt_are_clusters_of_their_own(write):
    path = write("a.jsonl", [made("x", "", 1.0), made("y", "", 2.0), made("z", "", 4.0)])
    (cell,) = table([path]).cells.values()
    assert cell.mean.clusters == 3 and cell.mean.stderr == pytest.approx(
        stats.clustered_mean([1, 2, 4]).stderr
    )


def test_abstentions_are_counted_and_never_averaged(write):
    path = write("a.csv", [made("x", "p", 1.0), made("y", "p", math.nan), made("z", "q", 3.0)])
    (cell,) = table([path]).cells.values()
    assert (cell.mean.mean, cell.abstained, cell.mean.values) == (2.0, 1, 2)
    assert table([path]).as_json()[0]["abstained"] == 1


def test_a_ranker_that_abstained_on_everything_is_shown_without_a_mean(write):
    path = write("a.jsonl", [made("x", "p", math.nan)])
    assert table([path]).as_json() == [
        {
            "entry": "a",
            "ranker": "mine",
            "images": 0,
            "prompts": 0,
            "abstained": 1,
            "mean": None,
            "stderr": None,
        }
    ]
    assert "–" in render(table([path]))


def test_options_tell_rankers_apart_and_are_shown(write):
    path = write(
        "a.jsonl", [made("x", "p", 1.0, quality=90), made("x", "p", 2.0, quality=50), made("x", "p", 3.0)]
    )
    assert table([path]).rankers == ("mine:quality=90", "mine:quality=50", "mine")
    assert label(made("x", "p", 1.0, a=1, b="c")) == "mine:a=1,b=c"


def test_scores_that_compare_only_within_a_group_have_no_mean(write):
    path = write("a.jsonl", [made("x", "p", 1.0, kind="pairwise"), made("y", "p", 2.0, kind="pairwise")])
    assert table([path]).as_json()[0]["mean"] is None
    assert "within prompts only" in render(table([path]))


def test_several_files_are_one_line_each_with_the_best_of_each_column_marked(write):
    a = write("one.jsonl", [made("x", "p", 1.0), made("x", "p", 5.0, ranker="other")])
    b = write(
        "two.jsonl", [made("x", "p", 2.0), made("x", "p", 4.0, ranker="other"), made("y", "p", math.nan)]
    )
    lines = [line.split("  ") for line in render(table([a, b])).splitlines()]
    stripped = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert stripped[0] == ["entry", "mine", "other", "images", "abstained"]
    assert stripped[2:] == [["one", "1", "5 *", "1", "0"], ["two", "2 *", "4", "2", "1"]]


def test_a_ranker_that_saw_only_one_entry_leaves_the_other_blank(write):
    a, b = (
        write("one.jsonl", [made("x", "p", 1.0)]),
        write("two.jsonl", [made("x", "p", 2.0, ranker="other")]),
    )
    assert [line.split("|")[1:4] for line in render(table([a, b]), form="markdown").splitlines()] == [
        [" entry ", " mine ", " other "],
        [" --- ", " --- ", " --- "],
        [" one ", " 1 * ", " – "],
        [" two ", " – ", " 2 * "],
    ]


def test_the_win_rate_is_how_often_an_entry_beats_the_others_on_the_same_prompt(write):
    a = write(
        "one.jsonl",
        [
            made("x", "p", 3.0),
            made("y", "p", 1.0),
            made("x", "q", 1.0),
            made("x", "r", 5.0),
            made("x", "alone", 9.0),
        ],
    )
    b = write("two.jsonl", [made("x", "p", 1.0), made("x", "q", 1.0), made("x", "r", 6.0)])
    one, two = table([a, b]).cells.values()
    # means per prompt: p 2 over 1 won, q 1 and 1 tied, r 5 under 6 lost
    assert one.wins.rate == two.wins.rate == 0.5
    assert one.wins == stats.win_interval([1.0, 0.5, 0.0], [0, 1, 2])
    shown = render(table([a, b]), win_rate=True)
    assert (
        "mine (win rate)" in shown
        and f"{50.0:.1f} % ({100 * one.wins.low:.1f}–{100 * one.wins.high:.1f})" in shown
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
@settings(max_examples=40)
def test_the_win_rates_of_two_entries_add_up_to_one(tmp_path_factory, outcomes):
    folder = tmp_path_factory.mktemp("wins")
    for name, k in (("one.jsonl", 1), ("two.jsonl", 2)):
        with replacing(folder / name) as put:
            for i, each in enumerate(outcomes):
                put(made(str(i), f"prompt {each[0]}", float(each[k])))
    one, two = table([folder / "one.jsonl", folder / "two.jsonl"]).cells.values()
    assert one.wins.rate + two.wins.rate == pytest.approx(1)


def test_folders_can_be_the_entries_and_then_panels_compare_within_their_groups(write):
    rows = [
        made("a/0.png", "p", 2.0, kind="listwise", group="g"),
        made("b/0.png", "p", 1.0, kind="listwise", group="g"),
        made("c.png", "", 3.0),
    ]
    found = table([write("s.jsonl", rows)], by="folder")
    assert found.entries == ("a", "b", ".")
    assert found.cells["a", "mine"].wins.rate == 1 and found.cells["b", "mine"].wins.rate == 0


def test_files_of_one_name_are_told_apart_by_their_paths(write):
    a, b = write("x/s.jsonl", [made("x", "p", 1.0)]), write("y/s.jsonl", [made("x", "p", 2.0)])
    assert table([a, b]).entries == (str(a), str(b))


def test_files_of_all_three_formats_are_read_alike(write):
    paths = [write(name, [made("x", "p", 1.5)]) for name in ("a.jsonl", "b.csv", "c.parquet")]
    assert [cell["mean"] for cell in table(paths).as_json()] == [1.5] * 3


def test_nothing_to_tell_of_is_said(write, tmp_path):
    with pytest.raises(BadRows, match="no rows that count"):
        table([write("a.jsonl", [])])
    with pytest.raises(BadRows, match="no such file"):
        table([tmp_path / "none.jsonl"])
    with pytest.raises(UsageError, match="rows go to"):
        table(["scores.txt"])


# --- forms ---


def test_json_holds_numbers_or_null_and_csv_and_markdown_are_well_formed(write):
    path = write("a.jsonl", [made("with|pipe\n.png", "p", 1.0)])
    (cell,) = json.loads(render(table([path]), form="json"))
    assert cell["mean"] == 1.0 and cell["stderr"] is None
    (line,) = csv.DictReader(io.StringIO(render(table([path]), form="csv")))
    assert (line["mean"], line["stderr"], line["best"]) == ("1.0", "", "with|pipe\n.png")
    markdown = render(table([path]), form="markdown").splitlines()
    assert len(markdown) == 3 and markdown[1] == "| --- | --- | --- | --- | --- | --- |"
    assert "with\\|pipe .png" in markdown[2]


def test_csv_holds_a_line_per_entry_and_ranker_with_every_number_of_json(write):
    prompts = [("p", 1.0), ("q", 2.0), ("r", 4.0)]
    a, b = (
        write(f"{name}.jsonl", [made("x", prompt, sign * score) for prompt, score in prompts])
        for name, sign in (("=one", 1), ("two", -1))
    )
    found = table([a, b])
    lines = list(csv.DictReader(io.StringIO(render(found, form="csv", win_rate=True))))
    assert [(line["entry"], line["ranker"]) for line in lines] == [("'=one", "mine"), ("two", "mine")]
    for line, cell in zip(lines, found.as_json(), strict=True):
        for name in ("images", "prompts", "abstained", "mean", "stderr", "win_rate", "low", "high"):
            assert float(line[name]) == cell[name], name


def test_latex_compiles_as_a_table_with_names_escaped_and_the_best_in_bold(write):
    a, b = (
        write(name, [made("x", "p", value)]) for name, value in (("a_1 & 50%.jsonl", 1.0), ("b.jsonl", 2))
    )
    lines = render(table([a, b]), form="latex").splitlines()
    assert (lines[0], lines[-1]) == ("\\begin{tabular}{lrrr}", "\\end{tabular}")
    assert "a\\_1 \\& 50\\% & 1 & 1 & 0 \\\\" in lines and "b & \\textbf{2} & 1 & 0 \\\\" in lines
    assert all(line.count(" & ") == 3 for line in lines if line.endswith("\\\\"))
    assert "$\\pm$" in render(
        table([write("c.jsonl", [made("x", "p", 1.0), made("y", "q", 2.0)])]), form="latex"
    )


@pytest.mark.parametrize(
    ("mean", "stderr", "shown"),
    [
        (0.123456, 0.0123, "0.123 ± 0.012"),
        (1234.5, 67.8, "1234 ± 68"),
        (-28123.4, 1234.5, "-28123 ± 1234"),
        (0.5, 0.0, "0.5"),
        (0.123456789, math.nan, "0.12346"),
        (math.nan, math.nan, "–"),
        (1.0, 0.5, "1.00 ± 0.50"),
    ],
)
def test_a_mean_is_shown_to_the_second_digit_of_its_standard_error(mean, stderr, shown):
    assert plus_minus(Mean(mean, stderr, 3, 3)) == shown


def test_an_entry_may_be_the_value_of_a_field_that_came_with_the_prompt(write):
    rows = [made(f"{i}.png", "p", float(i)) for i in range(4)]
    for i, each in enumerate(rows[:3]):
        each["details"] = {"metadata": {"style": ("anime", "photo")[i % 2], "seed": i}}
    found = table([write("a.jsonl", rows)], by="style")
    assert found.entries == ("anime", "photo", "(no style)")
    assert found.cells["anime", "mine"].mean.mean == 1.0
    with pytest.raises(UsageError, match="no row has the field 'steps'; there are file, folder, style, seed"):
        table([write("a.jsonl", rows)], by="steps")

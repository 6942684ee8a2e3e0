"""What the gallery knows before it draws: columns, orders, and the numbers."""

from __future__ import annotations

from gallery_page import rows_of

from rankkit.analysis.stats import win_share
from rankkit.report.build import read_results
from rankkit.report.charts import histogram
from rankkit.report.gallery import gallery
from rankkit.report.html import clipped, h, number


def test_one_name_with_two_option_sets_is_two_columns_named_by_the_difference():
    rows = rows_of([1.0], ranker="clip", options={"model": "L", "dtype": "fp16"}) + rows_of(
        [2.0], ranker="clip", options={"model": "H", "dtype": "fp16"}
    )
    rows += (
        rows_of([3.0], ranker="jpeg")
        + rows_of([4.0], ranker="aes", version="v1")
        + rows_of([5.0], ranker="aes", version="v2")
    )
    rows += rows_of([6.0], ranker="sharp", options={"size": 256}) + rows_of([7.0], ranker="sharp")
    labels = [column.label for column in read_results(rows).columns]
    assert labels == [
        "clip · model=L",
        "clip · model=H",
        "jpeg",
        "aes · v1",
        "aes · v2",
        "sharp · size=256",
        "sharp · size=default",
    ]


def test_pointwise_rows_of_several_files_stand_in_one_order():
    rows = rows_of([1.0, 3.0], names=["a", "b"]) + rows_of([2.0, 4.0], names=["c", "d"])
    (prompt,) = read_results(rows).prompts
    assert [(c.name, c.cells[0].rank, c.cells[0].of) for c in prompt.ordered] == [
        ("d", 1, 4),
        ("b", 2, 4),
        ("c", 3, 4),
        ("a", 4, 4),
    ]


def test_a_later_row_for_the_same_candidate_counts():
    (prompt,) = read_results(rows_of([1.0]) + rows_of([5.0])).prompts
    assert [cell.score for candidate in prompt.ordered for cell in candidate.cells.values()] == [5.0]


def test_numbers_by_hand():
    assert win_share([2.0, 1.0], [1.0, 0.0]) == (1 + 1 + 0.5 + 1) / 4
    assert histogram([0.0, 1.0, 1.0, 2.0], 2) == [1, 3] and histogram([3.0, 3.0], 4) == [0, 0, 2, 0]
    assert [number(x) for x in (0.28312, -44512.0, 3.0, 0.0, -0.0, 0.00012345)] == [
        "0.2831",
        "-44,512",
        "3",
        "0",
        "0",
        "0.0001234",
    ]
    assert clipped("a  b\nc", 10) == "a b c" and clipped("abcdefgh", 4) == "abc…"
    assert (
        h("p", "a < b", None, ["c", h("br")], class_="x", hidden=True, title=None)
        == '<p class="x" hidden>a &lt; bc<br></p>'
    )


def test_a_mean_that_is_only_the_rounding_of_its_sum_is_shown_as_zero(tmp_path):
    found = gallery(rows_of([0.1, 0.2, -0.3]), tmp_path / "page.html")
    assert found is not None and "e-1" not in found.read_text("utf-8").split('class="mean"')[1][:60]
    assert sum([0.1, 0.2, -0.3]) != 0

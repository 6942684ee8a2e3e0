"""What a gallery takes from another page: text, tables, figures and embedded images, and nothing that acts or
loads.
"""

import tarfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from rankkit.errors import UsageError
from rankkit.plugin import Curve, Section, h, line_chart, table, write_page
from rankkit.report.extras import read_section
from rankkit.report.thumbnails import thumbnail_of


def test_what_was_written_is_read_back(tmp_path):
    body = table(["ranker", "gain"], [["a < b", "0.5"]]) + line_chart(
        [Curve("one", [(1, 0.5), (2, 0.7)])], x="step", y="reward"
    )
    path = write_page(tmp_path / "page.html", "A <run>", [Section("Numbers", body)])
    found = read_section(path)
    assert found.title == "A <run>"
    assert "a &lt; b" in found.html and found.html.count("<polyline") == 1 and "viewBox" in found.html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>window.pwned = 1</script>",
        "<style>body { display: none }</style>",
        "<p onclick='pwn()'>x</p>",
        "<img src='http://elsewhere/x.png'>",
        "<a href='javascript:pwn()'>x</a>",
        "<iframe src='http://elsewhere'>text</iframe>",
        "<svg><script>pwn()</script></svg>",
    ],
)
def test_nothing_that_acts_or_loads_comes_along(tmp_path, hostile):
    (tmp_path / "page.html").write_text(f"<title>t</title><main><p>kept</p>{hostile}<p>too</p></main>")
    html = read_section(tmp_path / "page.html").html
    assert "kept" in html and "too" in html
    assert not [word for word in ("pwn", "elsewhere", "display") if word in html]


def test_a_page_without_main_is_refused_by_name(tmp_path):
    (tmp_path / "page.html").write_text("<p>hello</p>")
    with pytest.raises(UsageError, match=r"page\.html"):
        read_section(tmp_path / "page.html")


def test_escaped_text_stays_escaped():
    assert h("p", "<b>") == "<p>&lt;b&gt;</p>"


def test_a_section_closes_what_it_opens_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<main></div></section><p>one <b>two</p></ul><table><tr><td>three</main>", "utf-8")
    assert read_section(page).html == "<p>one <b>two</b></p><table><tr><td>three</td></tr></table>"


def test_images_in_archives_parquet_files_and_grids_have_thumbnails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8), "red").save("a.png")
    with tarfile.open("x.tar", "w") as archive:
        archive.add("a.png")
    cells = [{"image": {"bytes": Path("a.png").read_bytes(), "path": "a.png"}, "text": "x"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(cells), "x.parquet")
    for name, size in (
        ("a.png", 8),
        ("x.tar/a.png", 8),
        ("x.parquet/000000", 8),
        ("a.png#2x2-3", 4),
        ("x.tar/a.png#2x2-3", 4),
    ):
        seen = thumbnail_of(name, "rows.jsonl", 64)
        assert (seen.problem, seen.width) == (None, size)
    for name in ("x.tar/b.png", "x.parquet/000007", "b.png#2x2-1", "b.png"):
        assert thumbnail_of(name, "rows.jsonl", 64).problem == "the file does not exist"

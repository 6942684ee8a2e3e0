"""Output is never a file that rankkit did not write."""

import json
import shutil

import pytest
from score_runs import folder, rows, save_image, score
from typer.testing import CliRunner

import rankkit.plugin
from rankkit.cli.app import app
from rankkit.errors import UsageError
from rankkit.io.formats import check_row_output, to_json
from rankkit.report.gallery import gallery

FIRST = {"group": "g", "prompt": "a cat", "image": "in/a.png"}
FOREIGN = {
    "metadata.csv": b"file_name,text\na.png,a red apple\n",
    "captions.jsonl": b'{"file_name": "a.png", "text": "a red apple"}\n',
    "one-line.jsonl": json.dumps(FIRST).encode(),  # begins as a row does, and ends without a line break
    "results.csv": b"group,image,ranker,score,notes\r\ng,a.png,me,1,keep this\r\n",
    "notes.jsonl": json.dumps({**FIRST, "ranker": "me", "score": 1, "notes": "keep this"}).encode() + b"\n",
    "words.csv": b"group,image,ranker,score,notes\r\ng,a.png,me,good,keep\r\ng,b.png,me,bad,keep\r\n",
    "words.jsonl": b'{"group": "g", "image": "a", "ranker": "me", "score": 1, "notes": "k"}\n{"this": 2}\n',
    "image.parquet": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "in", "ab", "a cat")
    return tmp_path


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done, str(done.exception)


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_not_rows_is_never_replaced_and_overwrite_is_not_advised(place, name, overwrite):
    (place / name).write_bytes(FOREIGN[name])
    done, said = run("score", "in", "-r", "sharpness", "-o", name, *overwrite)
    assert isinstance(done.exception, UsageError), done.output
    assert name in said and "--overwrite" not in said and "another -o" in said
    assert (place / name).read_bytes() == FOREIGN[name]
    assert sorted(path.name for path in place.iterdir()) == sorted(["in", name])


def test_captions_that_give_the_prompts_survive_overwrite(place):
    (place / "in" / "metadata.csv").write_text("file_name,text\na.png,a red apple\nb.png,a blue one\n")
    before = (place / "in" / "metadata.csv").read_bytes()
    done, _ = run("score", "in", "-r", "sharpness", "-o", "in/metadata.csv", "--overwrite")
    assert isinstance(done.exception, UsageError) and (place / "in" / "metadata.csv").read_bytes() == before


def test_the_file_that_the_prompts_come_from_is_no_output_even_if_it_holds_rows(place):
    score("in", "sharpness", "out.jsonl")
    before = (place / "out.jsonl").read_bytes()
    for given in (["in", "--prompts", "out.jsonl"], ["out.jsonl"]):
        done, said = run("score", *given, "-r", "contrast", "-o", "./out.jsonl", "--overwrite")
        assert isinstance(done.exception, UsageError) and "prompts" in said
    assert (place / "out.jsonl").read_bytes() == before


@pytest.mark.parametrize("name", ["metadata.jsonl", "captions.csv", "sub/Prompts.parquet"])
def test_rows_are_not_written_where_the_next_run_would_read_them_as_prompts(place, name):
    done, said = run("score", "in", "-r", "sharpness", "-o", f"in/{name}")
    assert isinstance(done.exception, UsageError) and "as prompts" in said
    assert not (place / "in" / name).exists()


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_rows_of_ours_are_gone_on_with_and_overwritten(place, suffix):
    out = f"out.{suffix}"
    score("in", "sharpness", out)
    assert score("in", "sharpness", out).reused == 2
    assert score("in", "sharpness", out, overwrite=True).scored == 2 and len(rows(out)) == 2


@pytest.mark.parametrize("name", ["rows_v1.jsonl", "rows_v1.csv"])
def test_rows_of_earlier_versions_are_gone_on_with(place, request, name):
    shutil.copy(request.config.rootpath / "tests" / "data" / name, place / name)
    check_row_output(place / name)


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_is_nobodys(place, content):
    (place / "out.jsonl").write_bytes(content)
    assert score("in", "sharpness", "out.jsonl").scored == 2


def test_a_damaged_line_of_our_rows_is_named_and_overwrite_starts_anew(place):
    score("in", "sharpness", "out.jsonl")
    first, second = (place / "out.jsonl").read_text().splitlines()
    (place / "out.jsonl").write_text(f"{first}\nnot a row\n{second}\n")
    _, said = run("score", "in", "-r", "sharpness", "-o", "out.jsonl")
    assert "out.jsonl, line 2" in said and "--overwrite" in said
    assert score("in", "sharpness", "out.jsonl", overwrite=True).scored == 2


def test_a_journal_that_is_not_ours_is_left_alone(place):
    (place / "out.jsonl.journal").write_bytes(b"Monday: rain.\nTuesday: sun, no line break")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"out\.jsonl\.journal.* give another -o"):
            score("in", "sharpness", "out.jsonl", overwrite=overwrite)
    assert (place / "out.jsonl.journal").read_bytes() == b"Monday: rain.\nTuesday: sun, no line break"


def test_no_command_that_reads_rows_advises_to_overwrite_a_foreign_file(place):
    for name, content in FOREIGN.items():
        (place / name).write_bytes(content)
        for command in (["table", name], ["gallery", name, "-o", "page.html"]):
            assert "--overwrite" not in run(*command)[1]


# --- pages ---

PAGES = {
    "notes.txt": b"Monday: rain.\n",
    "page.html": b"<!doctype html>\n<html><head><title>mine</title></head><body></body></html>",
    "captions.jsonl": FOREIGN["captions.jsonl"],
}


@pytest.mark.parametrize("name", PAGES)
def test_a_file_that_is_not_a_page_of_ours_is_never_replaced(place, name):
    (place / name).write_bytes(PAGES[name])
    score("in", "sharpness", "out.jsonl")
    commands = (["gallery", "out.jsonl", "-o", name], ["score", "in", "-r", "contrast", "--html", name])
    for command in commands:
        done, said = run(*command)
        assert isinstance(done.exception, UsageError) and name in said, done.output
    with pytest.raises(UsageError, match=name):
        rankkit.plugin.write_page(name, "mine", [])
    assert (place / name).read_bytes() == PAGES[name]


def test_a_report_over_the_images_or_over_the_rows_is_refused_before_anything_is_scored(place):
    for html in ("in/a.png", "new.jsonl"):
        done, said = run("score", "in", "-r", "sharpness", "-o", "new.jsonl", "--html", html)
        assert isinstance(done.exception, UsageError) and html in said
    assert not (place / "new.jsonl").exists()


def test_a_page_of_ours_is_replaced(place):
    score("in", "sharpness", "out.jsonl")
    for _ in range(2):
        assert run("gallery", "out.jsonl", "-o", "page.html")[0].exit_code == 0
        assert run("score", "in", "-r", "sharpness", "--html", "page.html")[0].exit_code == 0
        rankkit.plugin.write_page("page.html", "mine", [])
    (place / "page.html").write_bytes(b"")
    gallery([], "page.html")


def test_a_page_written_before_pages_named_their_maker_is_replaced(place):
    page = gallery([], "page.html").read_text().replace('<meta name="generator" content="rankkit">', "")
    (place / "page.html").write_text(page)
    gallery([], "page.html")


def test_a_page_that_the_gallery_takes_up_is_not_its_output(place):
    score("in", "sharpness", "out.jsonl")
    rankkit.plugin.write_page("training.html", "training", [])
    before = (place / "training.html").read_bytes()
    done, said = run("gallery", "out.jsonl", "-o", "training.html", "--extra", "./training.html")
    assert isinstance(done.exception, UsageError) and "--extra" in said
    assert (place / "training.html").read_bytes() == before


def test_one_complete_line_without_a_line_break_counts_and_is_no_torn_one(place):
    score("in/a.png", "sharpness", "out.jsonl")
    (row,) = rows("out.jsonl")
    (place / "out.jsonl").write_text(to_json(row))
    assert rows("out.jsonl") == [row]
    save_image(place / "in" / "c.png", 9)
    assert score("in", "sharpness", "out.jsonl").scored == 3

"""Rows at URLs are read back by `rankkit table` and `gallery`, or refused in words; never a wrong path."""

import json

import pytest
from score_runs import folder
from score_runs import score as score_here
from typer.testing import CliRunner

from rankkit.cli.app import app
from rankkit.errors import BadRows, RankkitError, UsageError
from rankkit.io.formats import all_rows, read_rows
from rankkit.io.urls import rows_here

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def memory(tmp_path, monkeypatch):
    """A file system in memory with a folder of rows, and the same in the current folder."""
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "in", "abc", "a red fox")
    (tmp_path / "rows").mkdir()
    score_here("in", ["contrast"], tmp_path / "rows" / "0.jsonl")
    size = (tmp_path / "rows" / "0.jsonl").stat().st_size
    about = {"shards": 1, "done": [{"rows": "0.jsonl", "bytes": size}]}
    (tmp_path / "rows" / "manifest.json").write_text(json.dumps(about))
    found = fsspec.filesystem("memory")
    found.rm("/", recursive=True) if found.ls("/") else None
    for path in (tmp_path / "rows").iterdir():
        found.pipe_file(f"/bucket/rows/{path.name}", path.read_bytes())
    return found


def told(*words):
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("name", ["rows", "rows/", "rows/0.jsonl"])
def test_a_table_of_rows_at_a_url_is_that_of_the_same_rows_here(memory, name):
    here = told("table", name, "--format", "csv")
    there = told("table", f"memory://bucket/{name}", "--format", "csv")
    assert there.exit_code == here.exit_code == 0 and there.stdout == here.stdout != ""


def test_a_file_url_is_the_path_that_it_names(memory, tmp_path):
    assert told("table", f"file://{tmp_path}/rows", "--format", "csv").stdout == (
        told("table", "rows", "--format", "csv").stdout
    )


def test_a_gallery_of_rows_at_a_url_is_written(memory, tmp_path):
    assert told("gallery", "memory://bucket/rows", "-o", "page.html").exit_code == 0
    assert "memory://bucket/rows" in (tmp_path / "page.html").read_text()


def test_what_is_wrong_with_rows_at_a_url_is_said_of_the_url(memory):
    with (
        pytest.raises(BadRows, match="^memory://bucket/none: is no file of rows, and no folder of them"),
        rows_here("memory://bucket/none"),
    ):
        pass
    memory.rm("/bucket/rows/0.jsonl")
    with (
        pytest.raises(BadRows, match=r"^memory://bucket/rows/0\.jsonl: is not what memory://bucket/rows/man"),
        rows_here("memory://bucket/rows") as path,
    ):
        list(all_rows(path))
    memory.pipe_file("/bucket/rows.jsonl", b"no rows")
    with (
        pytest.raises(BadRows, match="^memory://bucket/rows.jsonl, line 1: not"),
        rows_here("memory://bucket/rows.jsonl") as path,
    ):
        list(read_rows(path))


def test_a_manifest_from_a_stranger_copies_nothing_out_of_its_folder(memory):
    about = {"shards": 1, "done": [{"rows": "../../escaped", "bytes": 1}]}
    memory.pipe_file("/bucket/rows/manifest.json", json.dumps(about).encode())
    memory.pipe_file("/escaped", b"x")
    with pytest.raises(BadRows, match="is not what"), rows_here("memory://bucket/rows") as path:
        list(all_rows(path))
    assert not (path.parent.parent / "escaped").exists()


def test_commands_that_need_the_images_too_refuse_rows_at_a_url_in_words(memory):
    done = told("select", "s3://bucket/rows.jsonl", "-r", "contrast", "--top", "1", "--list")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception).startswith("s3://bucket/rows.jsonl: rows at a URL are read by rankkit table")


def test_a_place_that_cannot_be_reached_is_one_line(memory, monkeypatch):
    monkeypatch.setattr(memory, "isfile", lambda path: (_ for _ in ()).throw(OSError("no such host")))
    with (
        pytest.raises(RankkitError, match="^memory://bucket/rows: cannot be read: no such host"),
        rows_here("memory://bucket/rows"),
    ):
        pass

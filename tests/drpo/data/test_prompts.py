"""Prompt files: one prompt per line, and nothing that would be read as such by mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from drpo.data.prompts import prompts
from rankkit import UsageError


def test_a_prompt_file_is_read_line_by_line_without_its_mark_of_order(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeffa cat\r\n\r\n  ein Hund, naß \u2028 im Regen\n".encode())
    assert prompts(str(file)) == ["a cat", "ein Hund, naß \u2028 im Regen"]


@pytest.mark.parametrize("name", ["prompts.csv", "prompts.jsonl", "PROMPTS.TSV", "prompts.json"])
def test_a_table_is_refused_rather_than_trained_on_line_by_line(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('id,prompt,category\n1,"a photo of a zebra",x\n', "utf-8")
    with pytest.raises(UsageError, match="is a table"):
        prompts(str(tmp_path / name))


def test_a_prompt_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_bytes("naß\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not UTF-8"):
        prompts(str(tmp_path / "prompts.txt"))

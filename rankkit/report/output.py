"""Pages to files: a page replaces an older page of ours when it is complete, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from rankkit.errors import UsageError
from rankkit.io.atomic import replacing_file, settle
from rankkit.report.html import Html

# What tells our pages from anybody else's. Pages written before they had the first begin with the second.
MARK = b'<meta name="generator" content="rankkit">'
EARLIER = (
    b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta '
    b'http-equiv="Content-Security-Policy" '
    b"content=\"default-src 'none'; img-src data:; style-src 'sha256-"
)


def check_page_output(out: str | os.PathLike[str]) -> None:
    """Refuse a place for a page that holds anything but a page of ours. Raises `UsageError`."""
    out = Path(out)
    if out.is_dir():
        raise UsageError(
            f"{out}: cannot be written, it is a folder; give a file such as {out / 'report.html'}"
        )
    if not out.is_file():
        return
    with open(out, "rb") as file:
        start = file.read(4096)
    if start and MARK not in start and not start.startswith(EARLIER):
        raise UsageError(
            f"{out}: is no page that rankkit wrote, and is left as it is; give another file for the report"
        )


def write_pieces(out: Path, pieces: Iterable[Html]) -> None:
    """Write a page whole, or leave what was there.

    Raises `UsageError` where it cannot be written, or where something stands that is no page of ours.
    """
    try:
        check_page_output(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing_file(out) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
            settle(file)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror or error}); give another file") from None

"""What may be written over: rows of ours, and nothing that a run reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from rankkit.errors import BadRows, UsageError
from rankkit.io.formats import format_of
from rankkit.io.rows import FIELDS, NEEDED


def check_row_output(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse a place for rows that holds anything but rows of ours, or that is one of the run's `inputs`.

    Raises `UsageError`. A file that is absent or empty may be written, and so may rows with a damaged line.
    """
    path = Path(path)
    kind = format_of(path)
    check_no_input(path, inputs, "the prompts or images of this run come from it")
    if not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"{path}: is {'a folder' if path.is_dir() else 'no file'}; give another -o")
    try:
        fields = kind.fields(path)
    except BadRows:
        fields = ()
    if fields is None:
        return
    if not set(fields) >= NEEDED:
        raise UsageError(f"{path}: is no file of rankkit's rows and is left as it is; give another -o")
    if more := [str(name) for name in fields if name not in FIELDS]:
        raise UsageError(
            f"{path}: holds {', '.join(more[:5])} beside the fields of rankkit's rows, which would be lost; "
            f"give another -o"
        )


def check_no_input(
    path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]], reason: str, option: str = "-o"
) -> None:
    """Refuse an output that is also read. Raises `UsageError` with the reason."""
    for given in inputs:
        both_there = os.path.exists(path) and os.path.exists(given)
        if os.path.realpath(path) == os.path.realpath(given) or (
            both_there and os.path.samefile(path, given)
        ):
            raise UsageError(f"{os.fspath(path)}: {reason}; give another {option}")

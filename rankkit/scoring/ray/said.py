"""What Ray says of its own nodes while a run goes on: into a file, not over the terminal.

Ray prints it from a thread of this program, in many lines with a traceback's worth of its logs, whatever
`log_to_driver` is, and has no public setting for it. What rankers print stays where Ray keeps it, in its logs
of the workers.
"""

from __future__ import annotations

import tempfile
import threading
from typing import Any

_file: list[str] = []  # its path, once Ray has said something
_lock = threading.Lock()


def keep_apart(ray: Any) -> None:
    """From now on what Ray would print is written to a file; another Ray, which prints otherwise, is left."""
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = _write


def said() -> str:
    """Where to read what Ray said, in words to go into a message; empty where it said nothing."""
    return f" (what Ray says of it is in {_file[0]})" if _file else ""


def _write(data: dict[str, Any], *given: object, **options: object) -> None:
    with _lock:
        if not _file:
            with tempfile.NamedTemporaryFile(prefix="rankkit-ray-", suffix=".log", delete=False) as made:
                _file.append(made.name)
        with open(_file[0], "a", encoding="utf-8", errors="replace") as file:
            file.writelines(f"({data.get('pid')}) {line}\n" for line in data.get("lines", ()))

"""Where weights and temporary files go, whether that can be written, and how much room is there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rankkit.doctor.findings import Finding
from rankkit.doctor.network import offline
from rankkit.environments.install import home

GIB = 2**30
# what the largest of each takes
ROOM = {"weights": 20 * GIB, "temporary files": GIB, "environments": 10 * GIB}


def findings() -> Iterator[Finding]:
    """The hub's cache, the folder for temporary files and that of installed environments."""
    hub, temporary = hub_cache(), Path(tempfile.gettempdir())
    models = len(list(hub.glob("models--*"))) if hub.is_dir() else 0
    holds = f", {models} models are there"
    yield _place("weights", hub, "set HF_HOME to a folder on a larger disk", holds, needed=not offline())
    yield _place("temporary files", temporary, "set TMPDIR to another folder")
    yield _place("environments", home(), "set RANKKIT_HOME to another folder", needed=False)


def hub_cache() -> Path:
    """Where huggingface_hub keeps what it downloads, by its own variables."""
    user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    base = os.environ.get("HF_HOME") or os.path.join(user, "huggingface")
    given = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    return Path(os.path.expandvars(os.path.expanduser(given or os.path.join(base, "hub"))))


def _place(what: str, folder: Path, advice: str, holds: str = "", *, needed: bool = True) -> Finding:
    """Whether a folder, which need not be there yet, has room; `needed`: one must be able to write there."""
    there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path(os.sep))
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding("storage", "broken", f"{what}: {there} cannot be used: {error.strerror}", advice)
    room = f"{free / GIB:.1f} GiB free{holds}"
    if not there.is_dir() or not os.access(there, os.W_OK):
        text = f"{what}: {folder} cannot be written, {room}"
        return Finding("storage", "broken" if needed else "note", text, advice)
    if free < ROOM[what]:
        return Finding("storage", "note", f"{what}: {folder}, only {room}", advice)
    return Finding("storage", "ok", f"{what}: {folder}, {room}")

"""An environment of its own for a ranker whose package cannot be installed into ours.

What `rankkit install NAME` makes.

    $RANKKIT_HOME, else ~/.local/share/rankkit
      environments/NAME/        a virtual environment: the pins of official.txt, rankkit, the plugin
      environments/NAME/rankkit.json      the marker, written last: without it the rest is removed

rankkit itself, and a plugin that is installed, are copied from here and never come from an index. If the
plugin brings an official_setup.py beside its official.txt, that is run in the new environment, to mend what
the original package lacks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

from rankkit.environments import whole
from rankkit.environments.build import build, find_plugin
from rankkit.environments.installers import BIN, Pip, Tool, Uv
from rankkit.environments.whole import Say
from rankkit.errors import RankkitError, UsageError
from rankkit.io.atomic import write_whole
from rankkit.remote import config
from rankkit.remote.rankers import Pipe
from rankkit.version import installed_version


def home() -> Path:
    """Where the environments are."""
    return (
        Path(os.path.expanduser(os.environ.get("RANKKIT_HOME") or "~/.local/share/rankkit")).absolute()
        / "environments"
    )


def environments() -> dict[str, tuple[Path, object]]:
    """The environments by name: the folder of each, and what its marker says; None for a half-built one."""
    try:
        folders = sorted(path for path in home().iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError:
        return {}
    return {folder.name: (folder, whole.marker(folder)) for folder in folders}


def install(
    name: str,
    *,
    plugin: Path | None = None,
    python: str = sys.executable,
    force: bool = False,
    tool: Tool | None = None,
    say: Say = lambda text: None,
) -> Path:
    """Make the environment of a ranker, try it, and write its entry to rankers.d.

    Returns the environment's folder.

    `plugin`: a folder to install the plugin from; the installed one if not given. An environment that is
    complete stays as it is, unless `force`. Raises `RankkitError` with the last lines of what failed; then
    nothing half-built is left, and an earlier environment stays.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UsageError(f"{name!r} cannot name an environment; give the name of a ranker")
    found, folder = find_plugin(name, plugin), home() / name
    tool = tool or (Uv() if shutil.which("uv") else Pip())
    about = {
        "name": name,
        "rankkit": installed_version(),
        "plugin": found.title,
        "pins": hashlib.sha256(found.pins.read_bytes()).hexdigest(),
    }
    command = [str(folder / BIN), "-I", "-m", "rankkit.serving.pipe", name]
    with whole.locked(folder):
        whole.clear(folder, say)
        if not force and whole.marker(folder) == about:
            say(
                f"{folder} is there already ({found.title}, rankkit {installed_version()}); --force makes it "
                f"anew"
            )
        else:
            with whole.anew(folder):
                build(folder, found, tool, python, say)
                say(f"trying it: {' '.join(command)}")
                with contextlib.closing(Pipe(command, name=name)) as worker:
                    say(f"{name} {worker.version} answers")
                whole.mark(folder, about)
    say(f"{_remember(name, command)} names it: rankkit score FOLDER -r {name}")
    if config.places()[name].command != tuple(command):
        say(
            f"{config.path()} has an entry {name} of its own, which comes first; remove it there to use the "
            f"new environment"
        )
    return folder


def _remember(name: str, command: list[str]) -> Path:
    """Write the ranker's own file of rankers.d, beside rankkit.toml, which stays the user's.

    Returns the file.
    """
    file = config.owned_file(name)
    words = ", ".join(json.dumps(word, ensure_ascii=False) for word in command)
    entry = f"# written by rankkit install {name}\n[rankers.{json.dumps(name)}]\ncommand = [{words}]\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, entry)
    except OSError as error:
        raise RankkitError(
            f"{file} cannot be written: {error.strerror or error}; write this into it yourself:\n{entry}"
        ) from None
    return file

"""An environment of its own for a ranker whose package cannot live in ours.

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
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path

from rankkit.core.version import installed_version
from rankkit.environments import transplant
from rankkit.environments.installers import BIN, Pip, Tool, Uv
from rankkit.errors import RankkitError, UnknownRanker, UsageError
from rankkit.io.atomic import try_lock, write_whole
from rankkit.registry.cards import shipped
from rankkit.remote import config
from rankkit.remote.rankers import Pipe

MARKER = "rankkit.json"
HOURS = 3600.0 * 3  # no step may take longer

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plugin:
    """What brings a ranker and its official.txt: an installed distribution, or else a folder."""

    title: str
    pins: Path
    owner: Distribution | None
    folder: Path | None = None


def home() -> Path:
    """Where the environments are."""
    return (
        Path(os.path.expanduser(os.environ.get("RANKKIT_HOME") or "~/.local/share/rankkit")).absolute()
        / "environments"
    )


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
    found, folder, tool = (
        _plugin(name, plugin),
        home() / name,
        tool or (Uv() if shutil.which("uv") else Pip()),
    )
    about = {
        "name": name,
        "rankkit": installed_version(),
        "plugin": found.title,
        "pins": hashlib.sha256(found.pins.read_bytes()).hexdigest(),
    }
    command = [str(folder / BIN), "-I", "-m", "rankkit.serving.pipe", name]
    with _locked(folder):
        _clear(folder, say)
        if not force and _marker(folder) == about:
            say(
                f"{folder} is there already ({found.title}, rankkit {installed_version()}); --force makes it "
                f"anew"
            )
        else:
            with _anew(folder):
                _build(folder, found, tool, python, say)
                say(f"trying it: {' '.join(command)}")
                with contextlib.closing(Pipe(command, name=name)) as worker:
                    say(f"{name} {worker.version} answers")
                (folder / MARKER).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
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


# --- what goes in ---


def _plugin(name: str, folder: Path | None) -> Plugin:
    if folder is not None:
        pins = [
            path
            for pattern in ("official.txt", "*/official.txt", "src/*/official.txt")
            for path in sorted(folder.glob(pattern))
        ]
        if not pins:
            raise UsageError(
                f"{folder} holds no official.txt, which lists what the original package needs; is it a "
                f"plugin's folder?"
            )
        return Plugin(str(folder.absolute()), pins[0], None, folder)
    owner = next((point.dist for point in entry_points(group="rankkit.rankers") if point.name == name), None)
    if owner is None:
        raise UnknownRanker(
            f"no installed plugin offers {name!r}; install the plugin first (pip install), or name its "
            f"folder with --plugin"
        )
    title, found = f"{owner.metadata['Name']} {owner.version}", shipped(owner, "official.txt")
    if not found:
        raise UsageError(
            f"{name} ({title}) needs no environment of its own: its plugin brings no official.txt; rankkit "
            f"check {name}"
        )
    return Plugin(title, found[0], owner)


def _build(folder: Path, plugin: Plugin, tool: Tool, python: str, say: Say) -> None:
    try:
        rankkit = distribution("rankkit-t2i")
    except PackageNotFoundError:
        raise RankkitError(
            "rankkit runs here without being installed, and cannot be copied; pip install it first"
        ) from None
    say(f"making {folder} with {python}")
    _run(tool.create(folder, python), "the environment cannot be made")
    core = [line for line in rankkit.requires or () if "extra ==" not in line]
    say(f"installing {plugin.pins} and {', '.join(core)}; this may take minutes")
    _run(
        tool.install(folder, ["-r", str(plugin.pins.absolute()), *core]),
        f"what {plugin.pins} asks for cannot be installed",
    )
    say(f"copying rankkit {rankkit.version} and {plugin.title}")
    site = Path(
        _run(
            [str(folder / BIN), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            "it does not run",
        ).strip()
    )
    transplant.copy(rankkit, ["rankkit"], site)
    if plugin.owner is not None:
        transplant.copy(plugin.owner, transplant.modules_of(plugin.owner), site)
    else:
        with _copied(plugin.folder) as source:
            _run(
                tool.install(folder, ["--no-deps", str(source)]),
                f"the plugin {plugin.title} cannot be installed",
            )
    setup = plugin.pins.with_name("official_setup.py")
    if setup.is_file():
        say(f"running {setup}")
        _run([str(folder / BIN), "-I", str(setup)], f"{setup} failed")


@contextlib.contextmanager
def _copied(folder: Path | None) -> Iterator[Path]:
    """A copy of a plugin's folder: building it leaves traces."""
    assert folder is not None
    with tempfile.TemporaryDirectory(prefix="rankkit-") as place:
        unwanted = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
        yield Path(shutil.copytree(folder, Path(place, folder.absolute().name), ignore=unwanted))


def _run(command: Sequence[str], failing: str) -> str:
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=HOURS,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise RankkitError(f"{failing}: {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise RankkitError(f"{failing}: it took longer than {HOURS / 3600:g} hours") from None
    if result.returncode:
        lines = [line for line in result.stdout.splitlines() if line.strip()][-12:]
        raise RankkitError(
            f"{failing} (exit code {result.returncode}); the last lines were:\n"
            + "\n".join(f"  {line}" for line in lines)
        )
    return result.stdout


# --- whole or not at all ---


def _marker(folder: Path) -> object:
    try:
        return json.loads((folder / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _beside(folder: Path, what: str = "old") -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def _clear(folder: Path, say: Say) -> None:
    """Tidy up after an installation that was killed.

    A half-built environment goes, the one before it comes back.
    """
    if folder.exists() and _marker(folder) is None:
        if not (_beside(folder, "building").exists() or (folder / "pyvenv.cfg").exists()):
            raise RankkitError(f"{folder} is no environment of rankkit's; move it away")
        say(f"removing {folder}, which is half-built")
        shutil.rmtree(folder)
    if _beside(folder).exists():
        if folder.exists():
            shutil.rmtree(_beside(folder))
        else:
            _beside(folder).rename(folder)


@contextlib.contextmanager
def _anew(folder: Path) -> Iterator[None]:
    """Build in place of what is there: if that fails nothing of it stays, and what was there comes back."""
    if folder.exists():
        folder.rename(_beside(folder))
    _beside(folder, "building").touch()
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if _beside(folder).exists():
            _beside(folder).rename(folder)
        raise
    finally:
        _beside(folder, "building").unlink(missing_ok=True)
    shutil.rmtree(_beside(folder), ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(_beside(folder, "lock"), "a") as file:
        if not try_lock(file):
            raise RankkitError(f"{folder} is being installed by another process; wait for it")
        yield

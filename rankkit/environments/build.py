"""What goes into an environment: the pins of a plugin's official.txt, a copy of rankkit, and the plugin."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path

from rankkit.environments import transplant
from rankkit.environments.installers import BIN, Tool
from rankkit.environments.whole import Say
from rankkit.errors import RankkitError, UnknownRanker, UsageError
from rankkit.registry.cards import shipped, without_environment

HOURS = 3600.0 * 3  # no step may take longer


@dataclass(frozen=True, slots=True)
class Plugin:
    """What brings a ranker and its official.txt: an installed distribution, or else a folder."""

    title: str
    pins: Path
    owner: Distribution | None
    folder: Path | None = None


def find_plugin(name: str, folder: Path | None) -> Plugin:
    """The plugin in a folder, or without one that which offers this ranker here.

    Raises `UsageError` for one that brings no official.txt, `UnknownRanker` where nobody offers the ranker.
    """
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
        others = ", ".join(offer.name for offer in without_environment())
        raise UnknownRanker(
            f"no installed plugin offers {name!r}; install the plugin first (pip install), or name its "
            f"folder with --plugin{f'; of those installed: {others}' if others else ''}"
        )
    title, found = f"{owner.metadata['Name']} {owner.version}", shipped(owner, "official.txt")
    if not found:
        raise UsageError(
            f"{name} ({title}) needs no environment of its own: its plugin brings no official.txt; rankkit "
            f"check {name}"
        )
    return Plugin(title, found[0], owner)


def build(folder: Path, plugin: Plugin, tool: Tool, python: str, say: Say) -> None:
    """Make the environment in a folder that is not there yet.

    Raises `RankkitError` with the last lines of the step that failed.
    """
    rankkit = _own_distribution()
    say(f"making {folder} with {python}")
    _run(tool.create(folder, python), "the environment cannot be made")
    core = [line for line in rankkit.requires or () if "extra ==" not in line]
    say(f"installing {plugin.pins} and {', '.join(core)}; this may take minutes")
    _run(
        tool.install(folder, ["-r", str(plugin.pins.absolute()), *core]),
        f"what {plugin.pins} asks for cannot be installed",
    )
    say(f"copying rankkit {rankkit.version} and {plugin.title}")
    _copy_in(folder, rankkit, plugin, tool)
    setup = plugin.pins.with_name("official_setup.py")
    if setup.is_file():
        say(f"running {setup}")
        _run([str(folder / BIN), "-I", str(setup)], f"{setup} failed")


def _own_distribution() -> Distribution:
    try:
        return distribution("rankkit-t2i")
    except PackageNotFoundError:
        raise RankkitError(
            "rankkit runs here without being installed, and cannot be copied; pip install it first"
        ) from None


def _copy_in(folder: Path, rankkit: Distribution, plugin: Plugin, tool: Tool) -> None:
    """Put rankkit and the plugin, as they are here, into an environment."""
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

"""Versions, extras, requirements that are not met, and the distribution that shares our name."""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points, version
from pathlib import Path

from rankkit.doctor.findings import Finding
from rankkit.registry import cards, diagnose

OURS = "rankkit-t2i"
PLACE = Path(__file__).parents[1]  # of the package rankkit
NEEDED = ("Pillow", "numpy", "typer")
HEAVY = (
    "torch",
    "transformers",
    "diffusers",
    "open_clip_torch",
    "accelerate",
    "peft",
    "safetensors",
    "huggingface_hub",
)
NO_EXTRAS = {"all", "dev"}  # one is all others, the other is for who works on rankkit
CHECK = ("-m", "pip", "--disable-pip-version-check", "check")  # what Python is asked for requirements not met
PATIENCE = 60.0  # seconds that this may take


def findings() -> Iterator[Finding]:
    """What is installed, and what does not go together."""
    try:
        owner = distribution(OURS)
    except PackageNotFoundError:
        yield Finding(
            "packages",
            "broken",
            f"rankkit runs from {PLACE} without being installed: its rankers have no names",
            f"pip install {OURS}, or pip install -e FOLDER in a clone",
        )
        return
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("packages", "ok", f"{OURS} {owner.version} from {PLACE}, {system}")
    yield Finding("packages", "ok", ", ".join(_versions(NEEDED)))
    yield Finding("packages", "ok", ", ".join(_versions(HEAVY)))
    plugins = sorted(_plugins() - {OURS})
    yield Finding("packages", "ok", f"plugins: {', '.join(_versions(plugins)) or 'none'}")
    clash = cards.clash()
    if clash:
        yield Finding(
            "packages",
            "broken",
            clash.rpartition(";")[0],
            f"pip uninstall rankkit; then pip install --force-reinstall --no-deps {OURS}",
        )
    yield from _extras(owner)
    yield from _requirements()


def _versions(names: tuple[str, ...] | list[str]) -> Iterator[str]:
    for name in names:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"no {name}"


def _plugins() -> set[str]:
    """The distributions that offer rankers, and what our learned rankers share."""
    owners = {
        str(point.dist.metadata["Name"]) for point in entry_points(group="rankkit.rankers") if point.dist
    }
    return owners | ({"rankkit-torch"} if diagnose.is_installed("rankkit-torch") else set())


def _extras(owner: Distribution) -> Iterator[Finding]:
    for extra in owner.metadata.get_all("Provides-Extra") or ():
        wanted = list(diagnose.requirements(owner, extra))
        missing = [name for name in wanted if not diagnose.is_installed(name)]
        if missing and extra not in NO_EXTRAS:
            text = f"the extra {extra} is not complete: no {', '.join(missing)}"
            yield Finding("packages", "note", text, f"if you need it: pip install '{OURS}[{extra}]'")


def _requirements() -> Iterator[Finding]:
    """What `pip check` says; of other distributions than ours it is only worth knowing."""
    if importlib.util.find_spec("pip") is None:
        yield Finding("packages", "note", "there is no pip here, so requirements were not checked")
        return
    command = [sys.executable, *CHECK]
    try:
        run = subprocess.run(command, cwd=sys.prefix, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding("packages", "note", f"requirements were not checked: {type(error).__name__}")
        return
    ours = {_plain(name) for name in _plugins() | {OURS}}
    unmet = [line for line in run.stdout.splitlines() if " require" in line or " has requirement" in line]
    for line in unmet if run.returncode else ():
        mine = _plain(line.split()[0]) in ours
        advice = f"pip install --upgrade {line.split()[0]}" if mine else ""
        yield Finding("packages", "broken" if mine else "note", line.rstrip("."), advice)
    if not run.returncode:
        yield Finding("packages", "ok", "the requirements of all distributions are met")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

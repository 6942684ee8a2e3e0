"""What is installed here, put into another environment.

The files of a distribution's modules, with metadata of their own. No index.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
import shutil
from collections.abc import Iterable
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

from rankkit.errors import RankkitError


def copy(owner: Distribution, modules: Iterable[str], site: Path) -> None:
    """Put these top-level modules of a distribution into a site-packages.

    The distribution may be installed from a wheel or editable.

    Entry points that lead into other modules stay behind. Raises `RankkitError` where a module is not to be
    found.
    """
    name, version = str(owner.metadata["Name"]), owner.version
    metadata = owner.read_text("METADATA") or owner.read_text("PKG-INFO")
    if metadata is None:
        raise RankkitError(f"{name} {version} has no metadata to copy; install it with pip")
    wanted = sorted(set(modules))
    info = site / f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    info.mkdir()
    files = {"METADATA": metadata, "INSTALLER": "rankkit\n", "entry_points.txt": _entry_points(owner, wanted)}
    for file, text in files.items():
        (info / file).write_text(text, "utf-8")
    copied = [path for module in wanted for path in _copy_module(module, site, f"{name} {version}")]
    lines = [_record(path, site) for path in [*copied, *(info / file for file in files)]]
    (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,"]) + "\n", "utf-8")


def modules_of(owner: Distribution) -> set[str]:
    """The top-level modules that a plugin brings: those of its rankers, and those it lists."""
    rankers = {_top(point) for point in owner.entry_points if point.group == "rankkit.rankers"}
    return rankers | set((owner.read_text("top_level.txt") or "").split())


def _copy_module(name: str, site: Path, owner: str) -> list[Path]:
    spec = importlib.util.find_spec(name)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if places:
        folder = site / name
        shutil.copytree(places[0], folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        return sorted(path for path in folder.rglob("*") if path.is_file())
    if spec is None or not spec.origin or not Path(spec.origin).is_file():
        raise RankkitError(f"{owner}: its module {name} is not there; install it again")
    return [Path(shutil.copy(spec.origin, site))]


def _entry_points(owner: Distribution, modules: list[str]) -> str:
    points = sorted(
        (point.group, point.name, point.value) for point in owner.entry_points if _top(point) in modules
    )
    groups = sorted({group for group, _, _ in points})
    return "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for each, name, value in points if each == group)
        for group in groups
    )


def _top(point: EntryPoint) -> str:
    return re.split(r"[.:\s]", point.value.strip())[0]


def _record(path: Path, site: Path) -> str:
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path.relative_to(site).as_posix()},sha256={digest},{len(data)}"

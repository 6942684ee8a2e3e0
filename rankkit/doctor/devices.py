"""Cores and memory, and the devices that torch sees: asked in a process of its own, with a time limit."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankkit.core.prefetch import cores
from rankkit.core.text import count
from rankkit.doctor.findings import Finding

PATIENCE = 60.0  # seconds that torch may take
GIB = 2**30
PROBE = """
import json, torch
found = {"cuda": torch.version.cuda, "hip": torch.version.hip, "devices": []}
for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
    device = {"name": f"cuda:{index} {torch.cuda.get_device_name(index)}"}
    try:
        device["free"], device["total"] = torch.cuda.mem_get_info(index)
    except Exception as error:
        device["error"] = str(error).split(chr(10))[0]
    found["devices"].append(device)
if torch.backends.mps.is_available():
    found["devices"].append({"name": "mps"})
print(json.dumps(found))
"""


def findings() -> Iterator[Finding]:
    """This machine, and every device of torch with its free memory."""
    yield Finding("devices", "ok", f"{count(cores(), 'core')}{_memory()}")
    if importlib.util.find_spec("torch") is None:
        yield Finding(
            "devices",
            "note",
            "torch is not installed: learned rankers and drpo need it",
            "if you need them: pip install rankkit-torch with the plugin, or 'rankkit-t2i[drpo]'",
        )
        return
    command = [sys.executable, "-c", PROBE]
    try:
        run = subprocess.run(command, cwd=sys.prefix, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        yield _broken(f"torch did not name its devices within {PATIENCE:g} seconds")
        return
    except OSError as error:
        yield _broken(f"torch could not be asked for its devices: {error.strerror or error}")
        return
    try:
        found = json.loads(run.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        why = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
        yield _broken(f"torch cannot be used: {why}")
    else:
        yield from _of_torch(found)


def _of_torch(found: dict[str, Any]) -> Iterator[Finding]:
    for device in found["devices"]:
        if "error" in device:
            yield Finding("devices", "broken", f"{device['name']} cannot be used: {device['error']}")
        elif "free" in device:
            free = f"{device['free'] / GIB:.1f} of {device['total'] / GIB:.1f} GiB free"
            yield Finding("devices", "ok", f"{device['name']}, {free}")
        else:
            yield Finding("devices", "ok", f"{device['name']}")
    if not found["devices"]:
        yield Finding("devices", "ok", "torch sees no GPU: models run on the CPU")
        yield from _unseen(found["cuda"] or found["hip"])


def _unseen(built_for: str | None) -> Iterator[Finding]:
    """A GPU that the driver knows and torch does not see."""
    names = _of_the_driver()
    if names and os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        yield Finding("devices", "note", f"CUDA_VISIBLE_DEVICES hides {names} from torch", "unset it")
    elif names and built_for:
        yield Finding(
            "devices",
            "note",
            f"the driver knows {names}, but torch (for CUDA {built_for}) does not see it",
            "update the driver, or install a torch built for an earlier CUDA",
        )
    elif names:
        yield Finding(
            "devices",
            "note",
            f"the driver knows {names}, but this torch is built for the CPU only",
            "install a torch built for CUDA: https://pytorch.org/get-started/locally/",
        )


def _of_the_driver() -> str:
    if not shutil.which("nvidia-smi"):
        return ""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ", ".join(run.stdout.split("\n")).strip(", ") if run.returncode == 0 else ""


def _broken(text: str) -> Finding:
    return Finding(
        "devices", "broken", text, 'try: python -c "import torch; print(torch.cuda.is_available())"'
    )


def _memory() -> str:
    """The memory that is free, where the system tells it."""
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return f", {int(found[1]) * 1024 / GIB:.1f} GiB of memory free" if found else ""

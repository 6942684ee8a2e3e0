"""Compare rankers with their references on the same drawn weights; write what was found to golden.json, and
say it in the cards.

python -m benchmarks.parity [NAME ...]       on tiny models; every plugin with a tiny case, if none is named
python -m benchmarks.parity NAME --full      at the published size, against the original package

Original packages are compared with where `rankkit install NAME-official` has made their environment, or in
that of --original PYTHON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import cards
from benchmarks.twin import reports_of
from rankkit import Group
from rankkit.errors import BrokenRanker
from rankkit.remote import config, wire
from rankkit_torch import golden
from rankkit_torch.testing import PROMPTS, inputs_id, sample_files, sample_images

HERE = Path(__file__).parent
PLUGINS = HERE.parent / "plugins"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.parity", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a folder of plugins/")
    parser.add_argument(
        "--full", action="store_true", help="at the published size: minutes to an hour, and gigabytes"
    )
    parser.add_argument(
        "--original", metavar="PYTHON", help="the interpreter of the original package's environment"
    )
    given = parser.parse_args()
    names = given.names or sorted(path.parent.parent.name for path in PLUGINS.glob("*/tests/tiny_*.py"))
    failed = [against_reference(name) for name in names if not given.full]
    return max(
        failed
        + [beside_original(name, given.original, "full" if given.full else "original_tiny") for name in names]
    )


def against_reference(name: str) -> int:
    """The `tiny` block, and where there is no original package also that of files: 1 where a plugin differs
    by more than is allowed.
    """
    module = case(name)
    failed = keep(name, "tiny", golden.block(module))
    if hasattr(module, "ORIGINAL"):
        return failed
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as place:
        options = module.checkpoint(Path(folder))
        seen = reports_of(
            lambda image: module.reference([image], [golden.PROMPT], **options)[0], sample_files(Path(place))
        )
        return max(failed, keep_files(name, "tiny", golden.files_block(module.build(**options), seen)))


def beside_original(name: str, python: str | None, size: str) -> int:
    """The `full` or `original_tiny` block and that of files, where there is an original package and it is
    installed: 1 as above.
    """
    module = case(name)
    if not hasattr(module, "ORIGINAL") or size not in getattr(module, "SIZES", ("original_tiny", "full")):
        return 0
    place = config.find(module.ORIGINAL)
    if python is None and (place is None or not place.command):
        print(
            f"{name}: not compared with {module.PACKAGE}; rankkit install {module.ORIGINAL} makes its "
            f"environment",
            flush=True,
        )
        return 0
    return against_original(name, python or place.command[0], size)


def against_original(name: str, python: str, size: str) -> int:
    module, images, started = case(name), tuple(sample_images()), time.monotonic()
    groups = [Group(prompt, images) for prompt in PROMPTS]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as place:
        options = (module.full if size == "full" else module.checkpoint)(Path(folder))
        given = {**module.original(Path(folder), **options), "once": getattr(module, "ONCE", ())}
        (Path(folder) / "options.json").write_text(json.dumps(given), "utf-8")
        theirs = table_of(original(python, module, Path(folder), wire.encode_groups(groups)))
        print(f"{name}: the original took {time.monotonic() - started:.0f} s", flush=True)
        ranker = module.build(**options)
        ours = np.asarray([ranking.scores for ranking in ranker.rank(groups)])
        failed = keep(
            name,
            size,
            compared(theirs, ours, reference=module.ORIGINAL, original=installed(python, module.PACKAGE)),
        )
        if size == getattr(module, "SIZES", ("original_tiny",))[0]:
            sample_files(Path(place))
            seen = json.loads(original(python, module, Path(folder), b"", "--files", place, golden.PROMPT))
            failed = max(failed, keep_files(name, size, golden.files_block(ranker, seen)))
    return failed


def compared(theirs: np.ndarray[Any, Any], ours: np.ndarray[Any, Any], **about: Any) -> dict[str, Any]:
    """A block of golden.json from the scores of both."""
    found = {"inputs": inputs_id(sample_images(), PROMPTS), "versions": golden.versions(), **about}
    spread = {"spread": float(theirs.std()), "spread_of_size": float(theirs.std() / np.abs(theirs).mean())}
    return {
        **found,
        **spread,
        "against_reference": golden.difference(ours, theirs),
        "scores": theirs.tolist(),
    }


def original(python: str, module: ModuleType, folder: Path, data: bytes, *arguments: str) -> bytes:
    """What the original package answers, from its own environment."""
    command = [python, "-I", str(HERE / "twin.py"), module.ORIGINAL, str(folder / "options.json"), *arguments]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def table_of(answer: bytes) -> np.ndarray[Any, Any]:
    rankings = wire.decode_rankings(answer)
    errors = {str(found["error"]) for ranking in rankings for found in ranking.details if "error" in found}
    if errors:
        raise BrokenRanker(f"the original abstained: {'; '.join(sorted(errors))[:400]}")
    return np.asarray([ranking.scores for ranking in rankings])


def installed(python: str, package: str) -> str:
    code = (
        f"from importlib.metadata import version as v; print({package!r}, v({package!r}), 'torch', "
        f"v('torch'))"
    )
    return subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def keep(name: str, size: str, found: dict[str, Any]) -> int:
    """Write one block of a plugin's golden.json, say what is in it, and put that into the plugin's cards."""
    write(name, {size: found})
    against = found["against_reference"]
    spread = f"{against['max_of_spread']:.1e} of the spread ({found['spread_of_size']:.1%} of their size)"
    print(f"{name} {size}: {against['max']:.1e}, {spread}, tau {against['kendall_min']:.4f}")
    for dtype, lost in found.get("against_float32", {}).items():
        taus = f"tau at least {lost['kendall_min']:.3f}, mean {lost['kendall_mean']:.3f}"
        print(f"{name} {dtype}: {lost['max_of_spread']:.1e} of the spread, {taus}", flush=True)
    return int(
        against["max_of_spread"] > golden.TOLERANCE
        or against["kendall_min"] < 1
        or found["spread_of_size"] < 0.01
    )


def keep_files(name: str, size: str, rows: dict[str, dict[str, Any]]) -> int:
    """Write the `files` block; 1 where our score is none that the original gives, and where we score what it
    cannot be shown.
    """
    kept = write(name, {"files": {"size": size, "rows": rows}})
    spread = kept[size]["spread"]
    for file, row in rows.items():
        print(f"{name} {file}: {golden.verdict(row, spread)}", flush=True)
    return int(any(golden.verdict(row, spread) == golden.WRONG for row in rows.values()))


def write(name: str, blocks: dict[str, Any]) -> dict[str, Any]:
    path = PLUGINS / name / "golden.json"
    kept = {**(json.loads(path.read_text("utf-8")) if path.exists() else {}), **blocks}
    path.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    cards.write(PLUGINS / name, kept, case(name))
    return kept


def case(name: str) -> ModuleType:
    tests = PLUGINS / name / "tests"
    if not (tests / f"tiny_{name}.py").exists():
        sys.exit(f"plugins/{name} has no tests/tiny_{name}.py to compare with")
    if str(tests) not in sys.path:
        sys.path.insert(0, str(tests))
    return importlib.import_module(f"tiny_{name}")


if __name__ == "__main__":
    sys.exit(main())

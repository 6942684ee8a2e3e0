"""Broken and hostile inputs for every reader of strangers' bytes: `python -m benchmarks.fuzz [--inputs N]`.

Each target gets its share of N inputs in processes of their own. A finding is an error that is not one of
ours, a process that dies, an input that takes more than 20 seconds or a gigabyte, a write outside the folder
the process was given, a program started, a connection made. One row per target is appended to
`results/faults.jsonl`; inputs of findings are kept in `--keep DIR`. The same seed gives the same inputs.
TMPDIR=/dev/shm spares the disk, which most of the time goes to.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.fuzz import files, messages
from benchmarks.fuzz.guarded import Block, run_block
from benchmarks.fuzz.target import Target
from benchmarks.record import record

BLOCK = 5_000  # inputs of one process
TARGETS = [*messages.targets(), *files.targets()]


def fuzz(target: Target, inputs: int, seed: int, seconds: float, keep: Path | None = None) -> dict[str, Any]:
    """So many inputs for one target, or as many as there is time for."""
    start, total = time.perf_counter(), Block()
    found: dict[str, bytes] = {}
    while total.done < inputs and time.perf_counter() - start < seconds:
        share = min(BLOCK, inputs - total.done)
        block = run_block(target, f"{seed}/{target.name}/{total.done}", share, total.kept)
        if not block.done:
            raise SystemExit(f"{target.name}: its examples cannot be read: {block.findings}")
        total.done += block.done
        total.kept = block.kept or total.kept
        total.outcomes |= block.outcomes
        total.mib = max(total.mib, block.mib)
        for what, data in block.findings:
            found.setdefault(what, data)
    for what, data in found.items():
        print(f"{target.name}: {what}\n  {data[:200]!r}", flush=True)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{target.name}-{hashlib.sha256(data).hexdigest()[:8]}").write_bytes(data)
    return {
        "target": target.name,
        "inputs": total.done,
        "seconds": round(time.perf_counter() - start, 1),
        "seed": seed,
        "kinds of outcome": len(total.outcomes),
        "MiB more at most": round(total.mib, 1),
        "findings": sorted(found),
    }


def main() -> None:
    """Fuzz the targets that are named, or all."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [target.name for target in TARGETS]
    parser.add_argument("names", nargs="*", metavar="TARGET", help=" | ".join(names))
    parser.add_argument("--inputs", type=int, default=1_300_000, help="of all targets together")
    parser.add_argument("--seconds", type=float, default=1800, help="that one target may take at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where to keep the inputs of findings")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(names)}")
    weights = sum(target.weight for target in TARGETS)
    for target in TARGETS:
        if not given.names or target.name in given.names:
            inputs = -(-given.inputs * target.weight // weights)
            bounds = f"--inputs {given.inputs} --seconds {given.seconds:g} --seed {given.seed}"
            command = f"python -m benchmarks.fuzz {bounds}"
            one = partial(fuzz, target, inputs, given.seed, given.seconds, given.keep)
            row = record("faults", "fuzz", command, one)
            print(
                json.dumps({name: row[name] for name in row if name not in ("machine", "command")}),
                flush=True,
            )


if __name__ == "__main__":
    main()

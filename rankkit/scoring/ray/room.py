"""How many workers a cluster has room for, and what each takes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Share:
    """A number of workers, and the CPUs and GPUs that each takes: 1, or a part of one."""

    workers: int
    cpus: float
    gpus: float

    def __str__(self) -> str:
        cpu = f"{self.cpus:.3g} CPU"
        return f"{cpu} and {self.gpus:.3g} GPU each" if self.gpus else f"{cpu} each"


def shares(ray: Any, pools: Sequence[bool], workers: int | None) -> list[Share]:
    """What the workers of each pool take, when all are there at once; the pools by whether they need GPUs.

    Unless told otherwise a pool has a worker for each GPU; one that needs none, or where there are none, has
    one for each CPU that is left, at least one.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return plan(nodes, pools, workers)


def plan(nodes: Sequence[Mapping[str, float]], pools: Sequence[bool], workers: int | None) -> list[Share]:
    """As `shares`, for nodes with so many `CPU` and `GPU` each.

    Those of a GPU, and of a CPU, are a whole number: Ray gives no worker parts of two.
    """
    cpus = max(1, sum(int(node.get("CPU", 0)) for node in nodes))
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    on_gpu = workers or gpus
    others = workers or max(1, cpus - (on_gpu if gpus and any(pools) else 0))
    numbers = [on_gpu if needs and gpus else others for needs in pools]
    parts = [-(-on_gpu // gpus) if needs and gpus else 0 for needs in pools]  # workers on one GPU
    everywhere = -(-sum(numbers) // cpus)  # workers on one CPU
    beside = max((_beside(node, max(parts, default=0)) for node in nodes), default=1)
    return [
        Share(number, 1 / max(everywhere, beside if part else 1), 1 / part if part else 0.0)
        for number, part in zip(numbers, parts, strict=True)
    ]


def _beside(node: Mapping[str, float], part: int) -> int:
    """How many workers must share a CPU where so many share each of this node's GPUs."""
    workers = int(node.get("GPU", 0)) * part
    return -(-workers // max(1, int(node.get("CPU", 0))))

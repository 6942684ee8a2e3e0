"""Actors on a Ray cluster that take tasks one by one, and what happens when one of them dies."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from rankkit.core.binding import describe
from rankkit.errors import RankkitError
from rankkit.scoring.ray.cluster import connected
from rankkit.scoring.ray.said import said

T = TypeVar("T")
A = TypeVar("A", covariant=True)
B = TypeVar("B", contravariant=True)

LOOK = 10.0  # seconds without an answer after which one looks whether the cluster is still there
ANSWER = 20.0  # seconds within which its head must say so


class Died:
    """What became of a task of which two workers died, the second with nothing else to do."""


class Worker(Protocol[B, A]):
    """A class whose objects are workers; it is imported by each."""

    def score(self, task: B, /) -> A:
        """Do a task."""
        ...


@dataclass(eq=False)
class Actor:
    """An actor, and the tasks it was given. One that died is followed by another, wherever there is room."""

    start: Callable[[], Any]
    handle: Any = None
    tasks: list[Any] = field(default_factory=list)
    alone: bool = False  # with a task of which a worker may have died

    def __post_init__(self) -> None:
        self.handle = self.start()


def on_ray(
    worker: type[Worker[T, A]],
    arguments: Sequence[object],
    tasks: Iterable[T],
    *,
    workers: int | None,
    ahead: int,
    gpus: bool = True,
) -> Iterator[tuple[T, A | Died]]:
    """Each task with its answer, in the order in which they are done.

    Every one of the `workers` (by default one per GPU, or one per CPU) has at most `ahead` tasks at a time;
    no more tasks are taken from `tasks` than that. Without `gpus` no worker takes a part of one. A worker
    that dies is replaced, and its tasks are done again, one by one. Raises `UsageError` without Ray,
    `RankkitError` for a cluster that is not there.
    """
    tasks = iter(tasks)
    first = list(itertools.islice(tasks, 1))
    if not first:
        return
    ray = connected()
    actors = _actors(ray, worker, arguments, workers, gpus)
    try:
        yield from _answers(ray, actors, itertools.chain(first, tasks), ahead)
    finally:
        for actor in actors:
            with contextlib.suppress(Exception):
                ray.kill(actor.handle)


def _answers(ray: Any, actors: list[Actor], tasks: Iterator[T], ahead: int) -> Iterator[tuple[T, Any]]:
    """Give tasks out and take answers in, until there are none."""
    errors = ray.exceptions
    deaths = (errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError, errors.ObjectLostError,
              errors.OutOfMemoryError)  # fmt: skip
    pending: dict[Any, tuple[Actor, Any, Any]] = {}
    suspects: deque[Any] = deque()
    while True:
        for actor in actors:
            _give(actor, tasks, suspects, pending, ahead)
        if not pending:
            return
        ready = _first(ray, list(pending))
        actor, handle, task = pending.pop(ready)
        actor.tasks.remove(task)
        alone, actor.alone = actor.alone, False
        try:
            answer = ray.get(ready)
        except deaths:
            if actor.handle is handle:
                actor.handle = actor.start()
            if alone:
                yield task, Died()
            else:
                suspects.append(task)
            continue
        except errors.RayError as error:
            raise RankkitError(
                f"a worker of Ray cannot go on: {describe(error.__cause__ or error)}"
            ) from None
        yield task, answer


def _first(ray: Any, pending: list[Any]) -> Any:
    """The first of these that is done. Raises `RankkitError` once the cluster is gone: Ray would wait on."""
    while True:
        ready, _ = ray.wait(pending, num_returns=1, timeout=LOOK)
        if ready:
            return ready[0]
        if why := gone(ray):
            raise RankkitError(
                f"the Ray cluster is gone: {why}{said()}; what was scored is kept: give the same command "
                "again"
            )


def gone(ray: Any) -> str:
    """Why the cluster cannot go on with what this program asked of it; empty while it can.

    Workers that die are started anew by the node, and nodes by whoever runs the cluster; without this
    program's own node, which holds its objects, nothing reaches it any more.
    """
    answer: list[bool] = []

    def look() -> None:
        own = ray.get_runtime_context().get_node_id()
        answer.append(any(node["Alive"] for node in ray.nodes() if node["NodeID"] == own))

    thread = threading.Thread(target=look, daemon=True)  # where its head is gone, Ray answers nothing at all
    thread.start()
    thread.join(ANSWER)
    if not answer:
        return f"its head gave no answer within {ANSWER:.0f} seconds"
    return "" if answer[0] else "the node of this program (its raylet) died"


def _give(
    actor: Actor, tasks: Iterator[Any], suspects: deque[Any], pending: dict[Any, Any], ahead: int
) -> None:
    """Give an actor what it has room for; what a worker may have died of, when it has nothing else."""
    if suspects and not actor.tasks:
        actor.alone = True
        given = [suspects.popleft()]
    elif actor.alone or suspects:
        return
    else:
        given = list(itertools.islice(tasks, ahead - len(actor.tasks)))
    for task in given:
        actor.tasks.append(task)
        pending[actor.handle.score.remote(task)] = (actor, actor.handle, task)


def _actors(
    ray: Any, worker: type, arguments: Sequence[object], workers: int | None, gpus: bool
) -> list[Actor]:
    resources = ray.cluster_resources()
    there, cpus = int(resources.get("GPU", 0)) if gpus else 0, max(1, int(resources.get("CPU", 1)))
    number = workers or there or cpus
    options = {"num_cpus": min(1.0, cpus / number), "num_gpus": min(1.0, there / number)}
    remote = ray.remote(worker).options(**options)
    return [Actor(lambda: remote.remote(*arguments)) for _ in range(number)]

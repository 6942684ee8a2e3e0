"""Pools of actors on a Ray cluster that take tasks one by one, and what happens when one of them dies."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from rankkit.core.binding import describe
from rankkit.core.text import count
from rankkit.errors import RankkitError
from rankkit.scoring.plan import Say
from rankkit.scoring.ray.cluster import connected, gone
from rankkit.scoring.ray.room import Share, shares
from rankkit.scoring.ray.said import said

T = TypeVar("T")
A = TypeVar("A", covariant=True)
B = TypeVar("B", contravariant=True)

LOOK = 10.0  # seconds without an answer after which one looks whether the cluster is still there
PATIENCE = 60.0  # seconds without a place for any worker of a pool after which one is told of it
STARTS = 3  # failures to start, one after the other, after which an actor is given up


class Died:
    """What became of a task of which two workers died, the second with nothing else to do."""


class Worker(Protocol[B, A]):
    """A class whose objects are workers; it is imported by each."""

    def score(self, task: B, /) -> A:
        """Do a task."""
        ...


@dataclass(frozen=True, eq=False)
class Pool(Generic[T, A]):
    """Workers of one kind, and the tasks for them; without `gpus` none takes a part of a GPU."""

    worker: type[Worker[T, A]]
    arguments: Sequence[object]
    tasks: Iterable[T]
    gpus: bool = True


@dataclass(eq=False)
class Actor:
    """An actor, and the tasks it was given: none before the cluster has a `place` for it.

    One that died is followed by another, wherever there is room.
    """

    make: Callable[[], Any]
    handle: Any = None
    place: bool = False
    failures: int = 0  # to start, one after the other
    tasks: list[Any] = field(default_factory=list)
    alone: bool = False  # with a task of which a worker may have died


@dataclass(eq=False)
class _Crew:
    """The actors of a pool, and what they have yet to do."""

    pool: Pool[Any, Any]
    tasks: Iterator[Any]
    share: Share
    actors: list[Actor] = field(default_factory=list)
    suspects: deque[Any] = field(default_factory=deque)
    more: bool = True  # whether there may be tasks that nobody took
    told: bool = False

    @property
    def done(self) -> bool:
        return not (self.more or self.suspects or any(actor.tasks for actor in self.actors))


def on_ray(
    pools: Sequence[Pool[T, A]], *, workers: int | None, ahead: int, say: Say = lambda text: None
) -> Iterator[tuple[Pool[T, A], T, A | Died]]:
    """Each task of these pools with its answer, in the order in which they are done; the pools work at once.

    A pool has `workers` of them: by default one per GPU, or one per CPU that is left. Each has at most
    `ahead` tasks at a time; no more tasks are taken than that. A worker that dies is replaced, and its tasks
    are done again, one by one. Raises `UsageError` without Ray, `RankkitError` for a cluster that is not
    there, or where no worker can start.
    """
    busy: list[tuple[Pool[T, A], Iterator[T]]] = []
    for pool in pools:
        tasks = iter(pool.tasks)
        busy += [(pool, itertools.chain([first], tasks)) for first in itertools.islice(tasks, 1)]
    if not busy:
        return
    ray = connected()
    given = shares(ray, [pool.gpus for pool, _ in busy], workers)
    crews = [_Crew(pool, tasks, share) for (pool, tasks), share in zip(busy, given, strict=True)]
    crews.sort(key=lambda crew: not crew.share.gpus)  # these find their places first
    try:
        yield from _Loop(ray, crews, ahead, say).answers()
    finally:
        for crew in crews:
            _end(ray, crew)


def _end(ray: Any, crew: _Crew) -> None:
    """Let its actors go."""
    for actor in crew.actors:
        with contextlib.suppress(Exception):
            ray.kill(actor.handle)
    crew.actors = []


class _Loop:
    """What is under way: by its future, whose it is, and the task; none for an actor that is to say it is
    there.
    """

    def __init__(self, ray: Any, crews: list[_Crew], ahead: int, say: Say) -> None:
        errors = ray.exceptions
        self.ray, self.crews, self.ahead, self.say = ray, crews, ahead, say
        self.deaths = (errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError,
                       errors.ObjectLostError, errors.OutOfMemoryError)  # fmt: skip
        self.pending: dict[Any, tuple[_Crew, Actor, Any, Any]] = {}
        self.begun = time.monotonic()
        for crew in crews:
            remote = ray.remote(crew.pool.worker).options(num_cpus=crew.share.cpus, num_gpus=crew.share.gpus)
            for _ in range(crew.share.workers):
                actor = Actor(lambda remote=remote, crew=crew: remote.remote(*crew.pool.arguments))  # type: ignore[misc]
                crew.actors.append(actor)
                self._start(crew, actor)

    def answers(self) -> Iterator[tuple[Pool[Any, Any], Any, Any]]:
        """Give tasks out and take answers in, until there are none."""
        while self.crews:
            for crew in self.crews:
                for actor in crew.actors:
                    self._give(crew, actor)
                if crew.done:
                    _end(self.ray, crew)
            self.crews = [crew for crew in self.crews if not crew.done]
            if self.crews:
                yield from self._take(self._first())

    def _start(self, crew: _Crew, actor: Actor) -> None:
        actor.place, actor.handle = False, actor.make()
        self.pending[actor.handle.__ray_ready__.remote()] = crew, actor, actor.handle, None

    def _give(self, crew: _Crew, actor: Actor) -> None:
        """Give an actor what it has room for; what a worker may have died of, when it has nothing else."""
        if not actor.place:
            return
        if crew.suspects and not actor.tasks:
            actor.alone = True
            given = [crew.suspects.popleft()]
        elif actor.alone or crew.suspects:
            return
        else:
            room = self.ahead - len(actor.tasks)
            given = list(itertools.islice(crew.tasks, room))
            crew.more = crew.more and len(given) == room
        for task in given:
            actor.tasks.append(task)
            self.pending[actor.handle.score.remote(task)] = crew, actor, actor.handle, (task,)

    def _take(self, ready: Any) -> Iterator[tuple[Pool[Any, Any], Any, Any]]:
        """What a future that is done brings: an answer, an actor that is there, or the death of one."""
        crew, actor, handle, given = self.pending.pop(ready)
        if not crew.actors:  # it was let go
            return
        alone = actor.alone
        if given:
            actor.tasks.remove(given[0])
            actor.alone = False
        try:
            answer = self.ray.get(ready)
        except self.deaths as death:
            if actor.handle is handle:
                self._replace(crew, actor, str(death), started=given is not None)
            if given and alone:
                yield crew.pool, given[0], Died()
            elif given:
                crew.suspects.append(given[0])
            return
        except self.ray.exceptions.RayError as error:
            why = describe(error.__cause__ or error)
            raise RankkitError(f"a worker of Ray cannot go on: {why}") from None
        if given:
            yield crew.pool, given[0], answer
        elif actor.handle is handle:
            actor.place, actor.failures = True, 0

    def _replace(self, crew: _Crew, actor: Actor, why: str, *, started: bool) -> None:
        """Start another in the place of an actor that died, unless it fails at that again and again."""
        actor.failures = 0 if started else actor.failures + 1
        if actor.failures < STARTS:
            self._start(crew, actor)
            return
        actor.place = False
        if all(each.failures >= STARTS for each in crew.actors):
            last = why.rstrip().splitlines()[-1].strip()
            raise RankkitError(
                f"no worker of Ray can start: {last}; rankkit and its plugins must be installed on every node"
            )

    def _first(self) -> Any:
        """The first future that is done.

        Raises `RankkitError` once the cluster is gone: Ray would wait on.
        """
        while True:
            ready, _ = self.ray.wait(list(self.pending), num_returns=1, timeout=LOOK)
            if ready:
                return ready[0]
            if why := gone(self.ray):
                raise RankkitError(
                    f"the Ray cluster is gone: {why}{said()}; what was scored is kept: give the same command "
                    "again"
                )
            self._tell()

    def _tell(self) -> None:
        """Say once for each pool that the cluster has no room for it."""
        for crew in self.crews:
            waits = not crew.told and not any(actor.place for actor in crew.actors)
            if waits and time.monotonic() - self.begun >= PATIENCE:
                crew.told = True
                workers = count(len(crew.actors), "worker")
                self.say(
                    f"the Ray cluster has no room yet for {workers} of {crew.share}: others use it, or it is "
                    "still growing; this goes on as soon as there is room for one"
                )

"""Rankers that live elsewhere: `Pipe`, in a process of its own with an environment of its own, and `Http`, on
another machine.

Both are rankers like any other: `kind`, `needs_prompt`, `version` and `options` are what the other side said
in its hello, scores are equal to the bit, an exception there is a `BrokenRanker` here. Where the other side
is gone, groups are abstained on with the reason.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from rankkit.core.calling import check_rankings
from rankkit.core.types import Group, Kind, Ranking
from rankkit.errors import BrokenRanker, RankkitError, UsageError
from rankkit.remote import wire
from rankkit.remote.handshake import Hello, decode_reply, read_hello
from rankkit.remote.http_client import Client, Unreachable
from rankkit.remote.process import Died, Worker

LIVES = (
    5  # workers that may die one after the other, without a ranking in between, before no more are started
)
GRACE = 10.0  # seconds a worker may take to end by itself

Self = TypeVar("Self", bound="Remote")


class Remote:
    """What the two have in common: they say who they are, can be closed, and check that an answer fits its
    question.
    """

    def __init__(self, name: str, hello: Hello) -> None:
        self.name, self.hello = name, hello
        self._lock = threading.Lock()
        self._closed = False

    @property
    def kind(self) -> Kind:
        """Whether it is pointwise, pairwise or listwise."""
        return self.hello.kind

    @property
    def needs_prompt(self) -> bool:
        """Whether it cannot do without a prompt."""
        return self.hello.needs_prompt

    @property
    def version(self) -> str:
        """The ranker's version, as rows state it."""
        return self.hello.version

    @property
    def options(self) -> Mapping[str, Any]:
        """The ranker's options, as rows state them."""
        return self.hello.options

    def open(self: Self) -> Self:
        """Make sure that it is built and can rank; called by `rankkit.load`.

        Raises whatever building it raises there.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Be done with it: it ranks no more until it is opened again."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """One ranking per group.

        Raises `BrokenRanker` where the ranker raised; abstains where nobody is there any more.
        """
        with self._lock:
            if self._closed:
                raise RankkitError(f"{self.name} was closed; open it again, or load it anew")
            return self._rank(list(groups)) if groups else []

    def _rank(self, groups: list[Group]) -> list[Ranking]:
        raise NotImplementedError

    def _abstentions(self, groups: Sequence[Group], reason: str) -> list[Ranking]:
        return [
            Ranking((math.nan,) * n, self.kind, None, ({"error": reason},) * n)
            for n in (len(group.images) for group in groups)
        ]


class Pipe(Remote):
    """A ranker in another process: a command that runs ``python -m rankkit.serving.pipe NAME`` in whatever
    environment it likes.

    A worker that dies is started once more and asked again, group by group; a group at which it dies again is
    abstained on. `close` ends the process, and with it goes all the memory that it held.
    """

    def __init__(
        self, command: Sequence[str], *, name: str, timeout: float = 3600, start_timeout: float = 600
    ) -> None:
        """Start the worker and hear who it is; its weights are loaded by `open`, or with the first groups.

        `timeout`: seconds it may take to answer, and to build the ranker. `start_timeout`: seconds until its
        hello. Raises `BrokenRanker` where it cannot be started or is no worker of this rankkit, and what it
        says in place of a hello.
        """
        if isinstance(command, str) or not command or not all(isinstance(word, str) for word in command):
            raise UsageError(f"{name}: a command is a list of words, not {command!r}")
        self.name, self.command, self.timeout, self.start_timeout = (
            name,
            list(command),
            timeout,
            start_timeout,
        )
        self._built, self._opened, self._deaths, self._last = False, False, 0, ""
        self._worker: Worker | None = None
        super().__init__(name, self._start())

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return self._worker.pid if self._worker else None

    def open(self) -> Pipe:
        """Start the worker if it is not there, and build the ranker in it.

        Raises whatever that raises there.
        """
        with self._lock:
            self._closed, self._deaths = False, 0
            self._build()
        return self

    def close(self) -> None:
        """End the worker: its stdin closes, and it is killed if it is still there after a while."""
        with self._lock:
            self._closed = True
            self._end()

    def _rank(self, groups: list[Group]) -> list[Ranking]:
        if not self._opened:
            self._build()
        try:
            return self._ask(groups)
        except Died:
            return [ranking for group in groups for ranking in self._again(group)]

    def _again(self, group: Group) -> list[Ranking]:
        try:
            return self._ask([group])
        except Died as death:
            return self._abstentions([group], str(death))

    def _ask(self, groups: list[Group]) -> list[Ranking]:
        data = wire.encode_groups(groups)
        if self._deaths >= LIVES:
            raise Died(
                f"{self._last}; that was the {self._deaths}th time in a row, and it is not started again"
            )
        if not self._built:
            self._build_again()
        rankings = decode_reply(self._exchange(data))
        self._deaths = 0
        return check_rankings(rankings, groups, self.name)

    def _build(self) -> None:
        self._built = False
        if self._worker is None:
            hello = self._start()
            if (hello.version, hello.options) != (self.version, self.options):
                self._end()
                raise BrokenRanker(
                    f"{self.name} was version {self.version} and is {hello.version} now; start anew"
                )
        decode_reply(self._exchange(wire.encode_groups([])))
        self._built = self._opened = True

    def _build_again(self) -> None:
        """As `_build`, but what goes wrong is a death among others: the ranker could be built before."""
        try:
            self._build()
        except Died:
            raise
        except RankkitError as error:
            raise self._died(str(error)) from None

    def _start(self) -> Hello:
        worker = Worker(self.command, self.name)
        self._stop = weakref.finalize(
            self, worker.end, GRACE
        )  # also when this object, or this process, ends without close()
        try:
            hello = worker.hello(self.start_timeout)
        except BaseException:
            self._stop.detach()
            raise
        self._worker = worker
        return hello

    def _exchange(self, data: bytes) -> bytes:
        assert self._worker is not None
        try:
            return self._worker.exchange(data, self.timeout)
        except BaseException as error:
            self._stop.detach()
            self._worker, self._built = None, False
            if isinstance(error, Died):
                raise self._died(str(error)) from None
            raise

    def _died(self, reason: str) -> Died:
        self._deaths, self._last = self._deaths + 1, reason
        return Died(reason)

    def _end(self) -> None:
        self._worker, self._built = None, False
        self._stop()


class Http(Remote):
    """A ranker that `rankkit serve` serves at ``http://host:port``, here or on another machine.

    A request is tried again, a few times and after growing pauses, where the connection fails or the server
    is too busy (408, 429, 5xx); where that does not help, the groups are abstained on. Anything else that is
    wrong is said at once.
    """

    def __init__(
        self, url: str, *, token: str | None = None, timeout: float = 3600, name: str | None = None
    ) -> None:
        """Hear who is there. `token`: what the server was given. `timeout`: seconds that one answer may take.

        Raises `BrokenRanker` where nobody answers, where it is no server of this rankkit, and where the token
        is not right.
        """
        self._client = Client(url, token, timeout)
        self.url = self._client.url
        try:
            said = self._client.request("GET", "/")
        except RankkitError as error:
            raise type(error)(f"{name}: {error}" if name else str(error)) from None
        super().__init__(name or url, read_hello(said, f"the server at {self.url}"))

    def open(self) -> Http:
        """The server has built its ranker already."""
        self._closed = False
        return self

    def close(self) -> None:
        """Hang up; the server goes on."""
        with self._lock:
            self._closed = True
            self._client.close()

    def _rank(self, groups: list[Group]) -> list[Ranking]:
        data = wire.encode_groups(groups)
        if self.hello.limit is not None and len(data) > self.hello.limit:
            if len(groups) > 1:
                return [ranking for group in groups for ranking in self._rank([group])]
            raise BrokenRanker(
                f"{self.name}: a group of {len(data)} bytes is more than the {self.hello.limit} that {self.url} takes at once; "
                "serve it with a larger --max-body"
            )
        try:
            return check_rankings(
                decode_reply(self._client.request("POST", "/rank", data)), groups, self.name
            )
        except Unreachable as error:
            return self._abstentions(groups, str(error))

"""Rankers elsewhere: `Pipe`, in a process and environment of its own, and `Http`, on another machine.

Both are rankers like any other: `kind`, `needs_prompt`, `version` and `options` are what the other side said
in its handshake, scores are equal to the bit, an exception there is a `BrokenRanker` here. Where the other
side is gone, groups are abstained on with the reason.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rankkit.core.calling import abstention, check_rankings
from rankkit.core.types import Group, Ranking
from rankkit.errors import BrokenRanker, RankkitError, UsageError
from rankkit.remote import wire
from rankkit.remote.base import Remote
from rankkit.remote.handshake import WorkerInfo, decode_reply, read_worker_info
from rankkit.remote.http_client import Client, Unreachable
from rankkit.remote.process import Died, Worker

GRACE = 10.0  # seconds a worker may take to end by itself


class State(Enum):
    """How far a worker is: not there, there and known by its handshake, or ready to rank."""

    ENDED = "ended"
    STARTED = "started"
    BUILT = "built"


@dataclass
class Restarts:
    """When a worker that died is started again.

    Not once `most` have died in a row without a ranking in between.
    """

    most: int = 5
    in_a_row: int = 0
    last: str = ""

    def died(self, reason: str) -> Died:
        """Count one more worker or server that is gone; returns it as an error."""
        self.in_a_row, self.last = self.in_a_row + 1, reason
        return Died(reason)

    def need_another(self) -> None:
        """Raise `Died` where no more are started."""
        if self.in_a_row >= self.most:
            raise Died(
                f"{self.last}; that was the {self.in_a_row}th time in a row, and it is not started again"
            )


class Pipe(Remote):
    """A ranker in another process.

    A command that runs ``python -m rankkit.serving.pipe NAME`` in whatever environment it likes.

    A worker that dies is started once more and asked again, group by group; a group at which it dies again is
    abstained on. `close` ends the process, and with it goes all the memory that it held.
    """

    place = "in a process of its own"

    def __init__(
        self, command: Sequence[str], *, name: str, timeout: float = 3600, start_timeout: float = 600
    ) -> None:
        """Start the worker, read its handshake; its weights are loaded by `open`, or with the first groups.

        `timeout`: seconds it may take to answer, and to build the ranker. `start_timeout`: seconds until its
        handshake. Raises `BrokenRanker` where it cannot be started or is no worker of this rankkit, and what
        it says in place of a handshake.
        """
        if isinstance(command, str) or not command or not all(isinstance(word, str) for word in command):
            raise UsageError(f"{name}: a command is a list of words, not {command!r}")
        self.command, self.timeout, self.start_timeout = list(command), timeout, start_timeout
        self.state = State.ENDED
        self.restarts = Restarts()
        self._worker: Worker | None = None
        self._was_built = False
        super().__init__(name, self._start(name))

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return self._worker.pid if self._worker else None

    def open(self) -> Pipe:
        """Start the worker if it is not there, and build the ranker in it.

        Raises whatever that raises there.
        """
        with self._lock:
            self._closed, self.restarts.in_a_row = False, 0
            self._build()
        return self

    def close(self) -> None:
        """End the worker: its stdin closes, and it is killed if it is still there after a while."""
        with self._lock:
            self._closed = True
            self._end()

    def _rank(self, groups: list[Group]) -> list[Ranking]:
        if not self._was_built:
            self._build()
        try:
            return self._ask(groups)
        except Died:
            return [self._ask_again(group) for group in groups]

    def _absence(self) -> str:
        self.restarts.in_a_row = 0  # who asks means to try anew
        try:
            self._build()
        except Died as death:
            return str(death)
        return ""

    def _ask_again(self, group: Group) -> Ranking:
        try:
            return self._ask([group])[0]
        except Died as death:
            return abstention(group, str(death), self.kind)

    def _ask(self, groups: list[Group]) -> list[Ranking]:
        data = wire.encode_groups(groups)
        self.restarts.need_another()
        if self.state is not State.BUILT:
            self._build_again()
        rankings = decode_reply(self._exchange(data))
        self.restarts.in_a_row = 0
        return check_rankings(rankings, groups, self.name)

    def _build(self) -> None:
        if self.state is State.ENDED:
            now = self._start(self.name)
            try:
                self._check_same(now)
            except BrokenRanker:
                self._end()
                raise
        decode_reply(self._exchange(wire.encode_groups([])))
        self.state, self._was_built = State.BUILT, True

    def _build_again(self) -> None:
        """As `_build`, but what goes wrong counts as `died` does: the ranker could be built before."""
        try:
            self._build()
        except Died:
            raise
        except RankkitError as error:
            raise self.restarts.died(str(error)) from None

    def _start(self, name: str) -> WorkerInfo:
        worker = Worker(self.command, name)
        # It ends also when this object, or this process, ends without close().
        self._stop = weakref.finalize(self, worker.end, GRACE)
        try:
            info = worker.handshake(self.start_timeout)
        except BaseException:
            self._stop.detach()
            raise
        self._worker, self.state = worker, State.STARTED
        return info

    def _exchange(self, data: bytes) -> bytes:
        assert self._worker is not None
        try:
            return self._worker.exchange(data, self.timeout)
        except BaseException as error:
            self._stop.detach()
            self._worker, self.state = None, State.ENDED
            if isinstance(error, Died):
                raise self.restarts.died(str(error)) from None
            raise

    def _end(self) -> None:
        self._worker, self.state = None, State.ENDED
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
        """Ask who is there. `token`: what the server was given. `timeout`: seconds that one answer may take.

        Raises `BrokenRanker` where nobody answers, where it is no server of this rankkit, and where the token
        is not right.
        """
        self._client = Client(url, token, timeout)
        self.url = self._client.url
        self.place = f"at {self.url}"
        try:
            said = self._client.greeting()
        except RankkitError as error:
            raise type(error)(f"{name}: {error}" if name else str(error)) from None
        info = read_worker_info(said, f"the server at {self.url}")
        super().__init__(name or url, info, far=self._client.far)

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
        if self.info.limit is not None and len(data) > self.info.limit:
            if len(groups) > 1:
                return [ranking for group in groups for ranking in self._rank([group])]
            much = f"a group of {len(data)} bytes is more than the {self.info.limit} that {self.url} takes"
            raise BrokenRanker(f"{self.name}: {much} at once; serve it with a larger --max-body")
        try:
            rankings = decode_reply(self._client.request("POST", "/rank", data))
            if self._client.broke_off:  # another server may be there by now
                self._greet()
            return check_rankings(rankings, groups, self.name)
        except Unreachable as error:
            return [abstention(group, str(error), self.kind) for group in groups]

    def _absence(self) -> str:
        try:
            return self._greet()
        except Unreachable as error:
            return str(error)

    def _greet(self) -> str:
        """Empty once it is known who is there now. Raises `BrokenRanker` where it is another than before."""
        self._check_same(read_worker_info(self._client.greeting(), f"the server at {self.url}"))
        return ""

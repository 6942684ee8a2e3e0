"""A process that ranks, seen from here: started, spoken to in frames, waited for within limits, and ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import IO, BinaryIO

from rankkit.core.text import line_of
from rankkit.errors import BrokenRanker, RankkitError
from rankkit.remote import frames
from rankkit.remote.handshake import WorkerInfo, decode_handshake
from rankkit.remote.wire import MAX_HEADER, OtherVersion

REPLY = 2 * MAX_HEADER  # bytes of one reply: its JSON, and the scores of four million images
SILENCE = 60.0  # seconds in which something must come of an answer that has begun
TAIL = 8192  # bytes of what it prints that are kept, to be shown if it dies


class Died(BrokenRanker):
    """A worker is not there any more, does not answer, or answers nonsense.

    Whatever it is, it has been ended.
    """


class Worker:
    """A process that speaks frames over its stdin and stdout.

    What it prints to stderr is kept to be shown should it die.

    It gets a session of its own, so that Ctrl-C reaches this process only, and everything that it starts ends
    with it.
    """

    def __init__(self, command: Sequence[str], name: str) -> None:
        """Start it. Raises `BrokenRanker` where the command is not there."""
        self.name, self._owner = name, os.getpid()
        self._renew = (
            f"install versions that agree: rankkit install {name} --force makes its environment anew"
        )
        first = os.path.expanduser(command[0])
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [first, *command[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise BrokenRanker(
                f"{name}: its worker cannot be started, {first}: {why}; was its environment deleted? "
                f"Make it anew with rankkit install {name}, or correct its command in rankkit.toml"
            ) from None
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout = _binary(self.process.stdin), _binary(self.process.stdout)
        self._tail = b""
        self._listener = threading.Thread(target=self._listen, args=(self.process.stderr,), daemon=True)
        self._listener.start()
        if hasattr(os, "waitid"):
            threading.Thread(target=self._follow, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def handshake(self, timeout: float) -> WorkerInfo:
        """Who it is: its first message. Raises what it says instead, and `Died`; either way it is ended."""
        with self._in_time(timeout, "did not complete the handshake"):
            data = self._read()
        try:
            return decode_handshake(data, f"the worker of {self.name}", self._renew)
        except RankkitError:
            self.end(0)
            raise

    def exchange(self, data: bytes, timeout: float) -> bytes:
        """Send one message and wait for the answer. Raises `Died`, and then it is ended."""
        with self._in_time(timeout, "did not answer"):
            frames.write_frame(self.stdin, data)
            return self._read()

    def end(self, grace: float) -> None:
        """Close its stdin, upon which it ends by itself.

        Kill it, and all that it started, if it has not after `grace` seconds.
        """
        if os.getpid() != self._owner:
            return  # a fork of the process that started it, which may still need it
        with contextlib.suppress(OSError):
            self.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace)
        self.kill()
        self.process.wait()
        self._listener.join(1)
        for stream in (self.stdout, self.process.stderr):
            assert stream is not None
            if not self._listener.is_alive():
                stream.close()

    def kill(self) -> None:
        """End it, and what it started, now."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()

    def stderr_tail(self) -> str:
        """The last lines it printed to stderr, as one."""
        lines = self._tail.decode("utf-8", "replace").replace("\r", "\n").split("\n")
        said = [line_of(line, 300) for line in lines if line.strip()][-4:]
        return f"; it last said: {' | '.join(said)}" if said else "; it said nothing"

    @contextlib.contextmanager
    def _in_time(self, timeout: float, failing: str) -> Iterator[None]:
        """Whatever fails within is told as what happened to the process.

        When the time is up it is killed, and so fails.
        """
        late = threading.Event()

        def out_of_time() -> None:
            late.set()
            self.kill()

        timer = threading.Timer(timeout, out_of_time)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, ValueError, EOFError, RankkitError) as error:
            timer.cancel()
            code = self._code(0 if late.is_set() else 1)
            self.end(0)
            what = (
                f"{failing} within {timeout:g} s, and was ended"
                if late.is_set()
                else _what_happened(code, error)
            )
            next_step = f"; {self._renew}" if isinstance(error, OtherVersion) else ""
            raise Died(f"{self.name}: its worker {what}{self.stderr_tail()}{next_step}") from None
        except BaseException:  # Ctrl-C: half a message is of no use
            self.end(0)
            raise
        finally:
            timer.cancel()

    def _read(self) -> bytes:
        data = frames.read_frame(Moving(self.stdout), limit=REPLY)
        if data is None:
            raise EOFError
        return data

    def _code(self, patience: float) -> int | None:
        """Its exit code, if it ends by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(patience)
        return None

    def _follow(self) -> None:
        """End what the process has started once it has ended: a child that holds its stdout open, of a data
        loader say, would keep us waiting for an answer.
        """
        with contextlib.suppress(OSError):
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)  # its id stays its own
            self.kill()

    def _listen(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while piece := stream.read(TAIL):
                self._tail = (self._tail + piece)[-TAIL:]


class Moving:
    """A pipe of which something must come every `SILENCE` seconds, once the first bytes are there.

    Where the system cannot tell (Windows), it is waited for as long as an answer may take.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._begun = stream, False

    def read(self, count: int, /) -> bytes:
        """At most so many bytes, none at the end. Raises `RankkitError` where nothing came in time."""
        if self._begun and hasattr(select, "poll"):
            waiting = select.poll()
            waiting.register(self._stream, select.POLLIN)
            if not waiting.poll(SILENCE * 1000):
                raise RankkitError(f"its answer stopped in the middle, nothing came for {SILENCE:g} s")
        piece = self._stream.read(count)
        self._begun = True
        return piece


def _what_happened(code: int | None, error: Exception) -> str:
    """What became of a process, in words that follow its name."""
    heard = f" ({error})" if isinstance(error, RankkitError) else ""
    if code is None:
        return f"sent what is no answer{heard}, and was ended"
    if code >= 0:
        return f"ended with exit code {code}{heard}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _binary(stream: IO[bytes]) -> BinaryIO:
    return stream  # type: ignore[return-value]

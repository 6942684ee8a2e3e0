"""A worker: one ranker behind a pipe, started by ``python -m rankkit.serving.pipe NAME``.

It is the other end of `rankkit.remote.rankers.Pipe`.

It finds its ranker as `load_here` does, so it can never forward to itself. Nothing that arrives is ever
executed: groups come in and rankings go out as `wire` writes them. It begins with the handshake, then answers
each frame of groups with a frame of rankings or of an error, until stdin closes. The ranker is built when the
first frame comes, which may hold no groups. (`rankkit.serving.http`: the same by HTTP.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import BinaryIO

from rankkit.core.calling import LazyRanker
from rankkit.core.memory import keep_freed_memory
from rankkit.core.named import NamedImages
from rankkit.core.text import plain
from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError
from rankkit.registry.load import Prepared, prepare
from rankkit.registry.spec import with_options
from rankkit.remote import frames, wire
from rankkit.remote.handshake import WorkerInfo, encode_error, encode_handshake

FRAME = 2**36  # bytes of one frame; a pipe's other end is the process that started us


class ServedRanker:
    """A prepared ranker at this end of the wire: messages of groups in, messages of rankings out.

    Built with the first of them.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.prepared, self.name = prepared, prepared.identity.ranker
        self._ranker = LazyRanker(self.name, prepared.load)
        self.build = self._ranker.build

    def handshake(self, limit: int | None = None) -> WorkerInfo:
        """What there is to know of the ranker before it is built."""
        about = self.prepared.identity
        options = {key: plain(value) for key, value in about.options.items()}
        return WorkerInfo(
            *(about.ranker, about.version, options, self.prepared.kind, self.prepared.needs_prompt),
            limit=limit,
            reads_metadata=self.prepared.reads_metadata,
            metadata_images=[self._from_here(each) for each in self.prepared.metadata_images],
        )

    @staticmethod
    def _from_here(named: NamedImages) -> list[str]:
        """What metadata names, with paths that do not depend on the folder where they are read."""
        start = os.path.abspath(named.start)
        folder = os.path.join(start, os.path.expanduser(named.folder)) if named.folder else ""
        return [named.key, folder, start]

    def rankings(self, groups: Sequence[Group]) -> list[Ranking]:
        """Rankings of groups; of none, once the ranker is built.

        Raises whatever the ranker raises.
        """
        self.build()
        return self._ranker.rank(groups)

    def rank(self, groups: Sequence[Group]) -> bytes:
        """Rankings of groups, as a message. Raises as `rankings`."""
        return wire.encode_rankings(self.rankings(groups))


def main(arguments: Sequence[str]) -> int:
    """``NAME[:options] [key=value ...]``: serve that ranker over stdin and stdout until stdin closes.

    Returns the exit code.
    """
    if not arguments or not all("=" in option for option in arguments[1:]):
        print("usage: python -m rankkit.serving.pipe NAME[:options] [key=value ...]", file=sys.stderr)
        return 2
    keep_freed_memory()
    source, sink = _take_over()
    try:
        return over_pipe(arguments[0], dict(option.split("=", 1) for option in arguments[1:]), source, sink)
    except BrokenPipeError:
        return 0  # nobody is listening any more
    except KeyboardInterrupt:
        return 130


def over_pipe(spec: str, options: dict[str, str], source: BinaryIO, sink: BinaryIO) -> int:
    """Send the handshake, then answer frame by frame until `source` ends.

    An exception becomes one line that names the ranker.
    """
    try:
        served = ServedRanker(prepare(with_options(spec, options), local_only=True))
        frames.write_frame(sink, encode_handshake(served.handshake()))
    except (Exception, SystemExit) as error:  # importing a plugin may do anything
        frames.write_frame(sink, encode_error(error, spec))
        return 1
    while True:
        try:
            request = frames.read_frame(source, limit=FRAME)
        except RankkitError as error:
            frames.write_frame(sink, encode_error(error, served.name))
            return 1
        if request is None:
            return 0
        try:
            reply = served.rank(wire.decode_groups(request))
        except (Exception, SystemExit) as error:
            reply = encode_error(error, served.name)
        frames.write_frame(sink, reply)


def _take_over() -> tuple[BinaryIO, BinaryIO]:
    """Keep the real stdin and stdout for the wire.

    Whoever prints from now on prints to stderr; whoever reads finds nothing.
    """
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return source, sink


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

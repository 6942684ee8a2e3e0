"""Ctrl-C while the program is still importing its packages ends it quietly, with exit code 130.

Python would show where in which import it was. Only where this process is the command `rankkit` or `drpo`;
whoever imports the package keeps their own way.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

COMMANDS = ("rankkit", "drpo")


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(130)


def _is_command() -> bool:
    """Whether this process is a command, or ``python -m`` of one."""
    name = os.path.basename((sys.argv or [""])[0]).removesuffix(".exe")
    words = getattr(sys, "orig_argv", [])
    module = words[words.index("-m") + 1 :][:1] if name == "-m" else []
    return name in COMMANDS or module in [[command] for command in COMMANDS]


def watch() -> None:
    """From here on Ctrl-C ends the command at once, until `ready`; done where this module is imported."""
    here = threading.current_thread() is threading.main_thread()
    if here and _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def ready() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


watch()

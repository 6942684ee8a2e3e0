"""What every browser can do; how, is said by one file per browser."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

B = TypeVar("B", bound="Browser")
STEP = 0.01  # seconds between two looks at a page that is waited for
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
KEYS = {  # as WebDriver writes the keys that are no character
    "Tab": "\ue004", "Enter": "\ue007", "Control": "\ue009", "Escape": "\ue00c",
    "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015",
    "End": "\ue010", "Home": "\ue011",
}  # fmt: skip


class Browser(ABC):
    """One page in a browser of its own, with an empty profile."""

    _opened: ExitStack  # processes, sockets and folders, which `close` ends in the other order

    @staticmethod
    @abstractmethod
    def missing() -> str:
        """What this browser needs and this machine lacks; empty if it can be used."""

    @abstractmethod
    def look(self, width: int, height: int, dark: bool = False) -> None:
        """Give the page a size in CSS pixels, and the colours that a person prefers."""

    @abstractmethod
    def navigate(self, url: str) -> None:
        """Go to an address, without waiting until all is there."""

    @abstractmethod
    def back(self) -> None:
        """Go back to the address before this one."""

    @abstractmethod
    def reload(self) -> None:
        """Load the page again."""

    @abstractmethod
    def evaluate(self, promise: str) -> str:
        """The text that a promise in the page, written as an expression, comes to."""

    @abstractmethod
    def press(self, key: str, control: bool = False) -> None:
        """Press a key and let it go, as a person would."""

    @abstractmethod
    def click(self, x: float, y: float) -> None:
        """Press the mouse at a place of the window, in CSS pixels."""

    def click_on(self, expression: str) -> None:
        """Bring the element that an expression gives into sight, and press the mouse in its middle."""
        self.see(f"({expression}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        self.see(DRAWN)
        place = "(({left, right, top, bottom}) => [(left + right) / 2, (top + bottom) / 2])"
        x, y = self.see(f"{place}(({expression}).getBoundingClientRect())")
        self.click(x, y)

    @abstractmethod
    def shot(self, path: Path) -> None:
        """Write what the page shows now as a PNG file."""

    def close(self) -> None:
        """End the browser and remove its profile."""
        self._opened.close()

    @property
    @abstractmethod
    def errors(self) -> list[str]:
        """What the console complained of since the last address."""

    def see(self, expression: str) -> Any:
        """The value of an expression in the page, awaited; None where JSON cannot hold it."""
        return json.loads(self.evaluate(f"(async () => JSON.stringify([await ({expression})]))()"))[0]

    def until(self, expression: str, seconds: float = 30) -> Any:
        """Wait until an expression is true in the page; its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if value := self.see(expression):
                    return value
            except AssertionError:  # the page is on its way
                pass
            time.sleep(STEP)
        raise AssertionError(f"never true: {expression}; the page says {self.see('document.body.innerText')}")

    def goto(self, url: str) -> None:
        """Go to an address, and wait until everything on it is loaded."""
        self.navigate(url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def open(self, url: str) -> None:
        """Go to the page of `rankkit label`, and wait until its first images can be answered."""
        self.goto(url)
        self.until("since !== null || !by('notice').hidden")

    def __enter__(self: B) -> B:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def folder(opened: ExitStack) -> Path:
    """A new folder that is removed in the end."""
    return Path(opened.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))


def started(opened: ExitStack, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """A process that is ended in the end; what it prints is nobody's unless the options say whose."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **{**silent, **options})
    opened.callback(process.wait)
    opened.callback(process.kill)
    return process


def strokes(key: str, control: bool) -> list[dict[str, Any]]:
    """Pressing a key and letting it go, as WebDriver's actions."""
    value = KEYS.get(key, key)
    held = [KEYS["Control"], value] if control else [value]
    down = [{"type": "keyDown", "value": each} for each in held]
    up = [{"type": "keyUp", "value": each} for each in reversed(held)]
    return [{"type": "key", "id": "keyboard", "actions": down + up}]


def clicks(x: float, y: float) -> list[dict[str, Any]]:
    """Pressing the mouse at a place and letting it go, as WebDriver's actions."""
    move = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}
    steps = [move, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
    return [{"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}]

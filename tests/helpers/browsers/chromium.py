"""Chromium, by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from browsers.base import Browser, folder, started

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --remote-debugging-pipe""".split()  # noqa: SIM905
CODES = {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, " ": 32, "Escape": 27,
    "Tab": 9, "Enter": 13, "/": 191, "End": 35, "Home": 36,
}  # fmt: skip


class Chromium(Browser):
    """One page in a Chromium of its own; `send` gives any command of DevTools."""

    def __init__(self) -> None:
        self._buffer, self._number, self._session = b"", 0, ""
        self._errors: list[str] = []
        with ExitStack() as opened:
            self._start(opened)
            self._opened = opened.pop_all()

    def _start(self, opened: ExitStack) -> None:
        """A process that is spoken to over two pipes, with one page."""
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder(opened)}", "about:blank"]
        through = ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command]
        started(opened, through, pass_fds=(theirs_in, theirs_out))
        os.close(theirs_in)
        os.close(theirs_out)
        self._out = opened.enter_context(os.fdopen(ours_out, "wb", 0))
        self._in = opened.enter_context(os.fdopen(ours_in, "rb", 0))
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Runtime.enable")
        self.send("Log.enable")
        self.send("Page.enable")
        self.look(1200, 800)

    @staticmethod
    def missing() -> str:
        return "" if CHROMIUM else f"no {', '.join(NAMES[:-1])} or {NAMES[-1]} on the PATH"

    @property
    def errors(self) -> list[str]:
        return self._errors

    def look(self, width: int, height: int, dark: bool = False) -> None:
        size = {"width": width, "height": height}
        self.send("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

    def navigate(self, url: str) -> None:
        self._errors.clear()
        self.send("Page.navigate", url=url)

    def back(self) -> None:
        history = self.send("Page.getNavigationHistory")
        before = history["entries"][history["currentIndex"] - 1]
        self.send("Page.navigateToHistoryEntry", entryId=before["id"])

    def reload(self) -> None:
        self.send("Page.reload")

    def evaluate(self, promise: str) -> str:
        found = self.send("Runtime.evaluate", expression=promise, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return str(found["result"]["value"])

    def press(self, key: str, control: bool = False) -> None:
        text = {"text": key} if len(key) == 1 and not control else {"text": "\r"} if key == "Enter" else {}
        about = {"key": key, "windowsVirtualKeyCode": CODES.get(key, ord(key[0].upper()))}
        about["modifiers"] = 2 if control else 0
        self.send("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, x: float, y: float) -> None:
        at = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", **at)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", **at)

    def shot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def send(self, method: str, **parameters: Any) -> Any:
        """Give a command and wait for its result; what the page complains of meanwhile goes to `errors`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            said = self._read()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]
            entry = said.get("params", {}).get("entry") or said.get("params", {}).get("exceptionDetails")
            if entry:
                self._errors.append(f"{entry.get('text')} {entry.get('url', '')}")

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            more = os.read(self._in.fileno(), 1 << 20)
            assert more, "the browser has ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

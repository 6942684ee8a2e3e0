"""Chromium as a person at the keyboard: real key events, by the DevTools protocol over a pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --remote-debugging-pipe""".split()  # noqa: SIM905
CODES = {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, " ": 32, "Escape": 27,
    "Tab": 9, "Enter": 13,
}  # fmt: skip


class Browser:
    """One page in a Chromium of its own; `errors` is what its console complained of."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp()
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", *command],
            pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb", 0), os.fdopen(ours_in, "rb", 0)
        self._buffer, self._number, self._session = b"", 0, ""
        self.errors: list[str] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.send("Runtime.enable")
        self.send("Log.enable")
        self.send("Page.enable")
        self.look(1200, 800)

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """Give the window a size, and the colours that a person prefers."""
        size = {"width": width, "height": height}
        self.send("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])

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
                self.errors.append(f"{entry.get('text')} {entry.get('url', '')}")

    def open(self, url: str) -> None:
        """Go to an address, and wait until its first images can be answered."""
        self.errors.clear()
        self.send("Page.navigate", url=url)
        self.until(f"location.href === '{url}' && (since !== null || !by('notice').hidden)")

    def see(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 30) -> Any:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if value := self.see(expression):
                    return value
            except AssertionError:  # the page is on its way
                pass
            time.sleep(0.01)
        raise AssertionError(f"never true: {expression}; the page says {self.see('document.body.innerText')}")

    def press(self, key: str, control: bool = False) -> None:
        """Press a key, as a person would."""
        text = {"text": key} if len(key) == 1 and not control else {"text": "\r"} if key == "Enter" else {}
        about = {"key": key, "windowsVirtualKeyCode": CODES.get(key, ord(key[0].upper()))}
        about["modifiers"] = 2 if control else 0
        self.send("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._out.close()
        self._in.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            more = os.read(self._in.fileno(), 1 << 20)
            assert more, "the browser has ended"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

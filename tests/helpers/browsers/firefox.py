"""Firefox, by WebDriver BiDi, which it speaks itself."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from browsers.base import STEP, Browser, clicks, folder, started, strokes

NAMES = ("firefox-esr", "firefox")
FIREFOX = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = ["--headless", "--no-remote", "--remote-debugging-port", "0", "--remote-allow-system-access"]
SCHEME = "layout.css.prefers-color-scheme.content-override"  # 0 is dark, 1 is light
PREFERENCES = {  # nothing is loaded that a test did not ask for
    SCHEME: 1, "browser.startup.page": 0, "browser.startup.homepage_override.mstone": "ignore",
    "app.normandy.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "services.settings.server": "data:,", "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False, "browser.safebrowsing.downloads.remote.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
}  # fmt: skip


class Firefox(Browser):
    """One page in a Firefox of its own."""

    def __init__(self) -> None:
        self._number, self._errors = 0, list[str]()
        with ExitStack() as opened:
            self._start(opened)
            self._opened = opened.pop_all()

    def _start(self, opened: ExitStack) -> None:
        """A process that says where it listens, and a session with its first page."""
        from websockets.sync.client import connect

        profile = folder(opened)
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        with (profile / "said.txt").open("wb") as said:
            process = started(opened, [str(FIREFOX), *FLAGS, "--profile", str(profile)], stderr=said)
        while not (found := re.search(r"BiDi listening on (ws://\S+)\n", (profile / "said.txt").read_text())):
            assert process.poll() is None, (profile / "said.txt").read_text()
            time.sleep(STEP)
        self._socket = opened.enter_context(connect(f"{found[1]}/session", max_size=None))
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded"])
        self._page = self.send("browsingContext.getTree")["contexts"][0]["context"]
        inside = {"moz:scope": "chrome"}
        self._window = self.send("browsingContext.getTree", **inside)["contexts"][0]["context"]
        self.look(1200, 800)

    @staticmethod
    def missing() -> str:
        if importlib.util.find_spec("websockets") is None:
            return "the package websockets is not installed"
        return "" if FIREFOX else f"no {' or '.join(NAMES)} on the PATH"

    @property
    def errors(self) -> list[str]:
        return self._errors

    def look(self, width: int, height: int, dark: bool = False) -> None:
        size = {"width": width, "height": height}
        self.send("browsingContext.setViewport", context=self._page, viewport=size, devicePixelRatio=1)
        self._run(f"Services.prefs.setIntPref('{SCHEME}', {0 if dark else 1})", self._window)
        self._run("window.focus(), gBrowser.selectedBrowser.focus()", self._window)  # not the address bar
        self.until(f"document.hasFocus() && innerWidth === {width}")
        self.until(f"matchMedia('(prefers-color-scheme: dark)').matches === {json.dumps(dark)}")

    def navigate(self, url: str) -> None:
        self._errors.clear()
        self.send("browsingContext.navigate", context=self._page, url=url, wait="none")

    def back(self) -> None:
        self.send("browsingContext.traverseHistory", context=self._page, delta=-1)

    def reload(self) -> None:
        self.send("browsingContext.reload", context=self._page, wait="none")

    def evaluate(self, promise: str) -> str:
        return str(self._run(promise, self._page)["value"])

    def press(self, key: str, control: bool = False) -> None:
        self.send("input.performActions", context=self._page, actions=strokes(key, control))

    def click(self, x: float, y: float) -> None:
        self.send("input.performActions", context=self._page, actions=clicks(x, y))

    def shot(self, path: Path) -> None:
        found = self.send("browsingContext.captureScreenshot", context=self._page)
        path.write_bytes(base64.b64decode(found["data"]))

    def send(self, method: str, **parameters: Any) -> Any:
        """Give a command and wait for its result; what the page complains of meanwhile goes to `errors`."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._socket.recv())
            if said.get("id") == self._number:
                assert said["type"] == "success", said
                return said["result"]
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self._errors.append(str(said["params"]["text"]))

    def _run(self, expression: str, where: str) -> Any:
        """What a script comes to in a page, or in the window around it."""
        found = self.send(
            "script.evaluate", expression=expression, target={"context": where}, awaitPromise=True
        )
        assert found["type"] == "success", found
        return found["result"]

"""WebKit, the engine of Safari, as WebKitGTK's small browser: by WebDriver, on a display of its own."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from browsers.base import DRAWN, STEP, Browser, clicks, folder, started, strokes

DRIVER, DISPLAY = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
BROWSER = next(iter(sorted(Path("/usr").glob("lib*/*/webkit2gtk-4.*/MiniBrowser"))), None)
SECONDS = 60  # for one answer of the driver
STARTS = 3  # times that a browser is started at most
START = 20  # seconds for each
# A window that a page opens has no bars, and so can be as narrow as a telephone.
WINDOW = "window.open('about:blank', 'page', 'toolbar=no,menubar=no,location=no,status=no')"
LISTEN = """window.complaints = [];
addEventListener('error', (event) => complaints.push(event.message || event.target.outerHTML), true);
addEventListener('unhandledrejection', (event) => complaints.push(String(event.reason)));
addEventListener('securitypolicyviolation', (event) => complaints.push(event.violatedDirective));"""


class WebKit(Browser):
    """One page in a WebKit of its own, which tells no driver what its console says.

    `errors` are those of a page after it was loaded; for those before, `complaints_while_loading` starts
    a second browser.
    """

    def __init__(self) -> None:
        self._dark, self._url, self._session = False, "about:blank", ""
        self._driving = ExitStack()
        with ExitStack() as opened:
            self._start(opened)
            self._opened = opened.pop_all()

    def _start(self, opened: ExitStack) -> None:
        """A display, a driver on it, and a browser with one page."""
        ours, theirs = os.pipe()
        screen = ["-screen", "0", "2000x1400x24", "-nolisten", "tcp", "-displayfd", str(theirs)]
        started(opened, [str(DISPLAY), *screen], pass_fds=(theirs,))
        os.close(theirs)
        with os.fdopen(ours) as said:
            self._environment = {**os.environ, **settings(said.readline().strip(), str(folder(opened)))}
        opened.enter_context(self._driving)
        self._drive()
        self._window()
        opened.callback(self._ask, "DELETE")
        self.look(1200, 800)

    @staticmethod
    def missing() -> str:
        needed = {"WebKitWebDriver": DRIVER, "Xvfb": DISPLAY, "WebKitGTK's MiniBrowser": BROWSER}
        lacking = [name for name, found in needed.items() if not found]
        return f"no {', no '.join(lacking)}" if lacking else ""

    @property
    def errors(self) -> list[str]:
        return list(self.see("window.complaints || []"))

    def look(self, width: int, height: int, dark: bool = False) -> None:
        """The colours are the browser's from its start: others start it anew, at the address where it was."""
        if dark != self._dark:
            self._ask("DELETE")
            self._dark = dark
            self._window()
            self.goto(self._url)
        self._ask("POST", "/window/rect", x=0, y=0, width=width, height=height)
        self.until(f"innerWidth === {width} && innerHeight === {height}")

    def goto(self, url: str) -> None:
        super().goto(url)
        self._ask("POST", "/execute/sync", script=LISTEN, args=[])

    def navigate(self, url: str) -> None:
        self._url = url
        self._ask("POST", "/url", url=url)

    def back(self) -> None:
        self._ask("POST", "/back")

    def reload(self) -> None:
        self._ask("POST", "/refresh")

    def evaluate(self, promise: str) -> str:
        both = "(value) => done({value}), (error) => done({error: String(error)})"
        script = f"const done = arguments[0]; {promise}.then({both})"
        found = self._ask("POST", "/execute/async", script=script, args=[])
        assert "value" in found, found
        return str(found["value"])

    def press(self, key: str, control: bool = False) -> None:
        self._ask("POST", "/actions", actions=strokes(key, control))

    def click(self, x: float, y: float) -> None:
        self._ask("POST", "/actions", actions=clicks(x, y))

    def shot(self, path: Path) -> None:
        self.see(DRAWN)
        path.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def complaints_while_loading(self, url: str) -> list[str]:
        """What the console of a browser without a driver says until the page at this address is loaded."""
        command = [str(BROWSER), "--exit-after-load", "--enable-write-console-messages-to-stdout=true", url]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=SECONDS)
        return [line for line in (done.stdout + done.stderr).splitlines() if "CONSOLE" in line]

    def _drive(self) -> None:
        """A driver on the display, in place of the one before."""
        self._driving.close()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._driver = started(self._driving, [str(DRIVER), f"--port={self._port}"], env=self._environment)

    def _begin(self, wanted: Any) -> str:
        """A session. Now and then WebKit's driver waits for its browser for ever: both are started again."""
        for _ in range(STARTS - 1):
            try:
                return str(self._ask("POST", seconds=START, capabilities=wanted)["sessionId"])
            except TimeoutError:
                self._drive()
        return str(self._ask("POST", seconds=START, capabilities=wanted)["sessionId"])

    def _window(self) -> None:
        """A browser with one page, which has no bars around it."""
        arguments = ["--automation", "--javascript-can-open-windows-automatically=true"]
        options = {"binary": str(BROWSER), "args": [*arguments, *(["--dark-mode"] if self._dark else [])]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self._session = ""
        self._session = f"/{self._begin(wanted)}"
        first = self._ask("GET", "/window")
        self._ask("POST", "/execute/sync", script=WINDOW, args=[])
        handles = self._ask("GET", "/window/handles")
        self._ask("POST", "/window", handle=next(each for each in handles if each != first))

    def _ask(self, method: str, path: str = "", seconds: float = SECONDS, **body: Any) -> Any:
        """The value of one of the driver's answers; waits until the driver has started."""
        end = time.monotonic() + SECONDS
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=seconds)
            try:
                connection.request(
                    method, f"/session{self._session}{path}", json.dumps(body) if method == "POST" else None
                )
                answer = connection.getresponse()
                value = json.loads(answer.read())["value"]
                assert answer.status == 200, value
                return value
            except ConnectionRefusedError:
                assert self._driver.poll() is None and time.monotonic() < end, "WebKitWebDriver has ended"
                time.sleep(STEP)
            finally:
                connection.close()


def settings(display: str, home: str) -> dict[str, str]:
    """The environment of a browser: its own display and folders; root cannot have WebKit's sandbox."""
    folders = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), home)
    alone = {"DISPLAY": f":{display}", "GDK_BACKEND": "x11", "NO_AT_BRIDGE": "1", "GTK_THEME": ""}
    root = {"WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"} if os.getuid() == 0 else {}
    return {**folders, **alone, **root}

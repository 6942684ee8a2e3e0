from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
from browsers import BROWSERS, Browser, Chromium, WebKit
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure: nothing here is timed
settings.load_profile("untimed")

# A background job of a shell starts with SIGINT ignored, and so do its children; the tests that press Ctrl-C
# mean it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


unable: dict[str, str] = {}  # why a browser that is here did not start


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of the test's own that is the current one: what it makes is named as a user would."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def started() -> Iterator[dict[str, Browser]]:
    """The browsers of this process by name, each started when a test first asks for it."""
    found: dict[str, Browser] = {}
    yield found
    for each in found.values():
        each.close()


def page_of(name: str, started: dict[str, Browser]) -> Browser:
    """The page of a browser, wide and light; skips the test where the browser is not here, or cannot run."""
    if missing := BROWSERS[name].missing() or unable.get(name):
        pytest.skip(missing)
    if name not in started:
        try:
            started[name] = BROWSERS[name]()
        except Exception as error:  # no display, no room in /dev/shm, no right to a sandbox: the machine's
            unable[name] = f"{name} is here but does not start: {type(error).__name__}: {error}"
            pytest.skip(unable[name])
    started[name].goto("about:blank")
    started[name].look(1200, 800)
    return started[name]


@pytest.fixture(params=list(BROWSERS))
def browser(request: pytest.FixtureRequest, started: dict[str, Browser]) -> Browser:
    """A page in each browser that is here: a test that takes it is run in every one."""
    return page_of(request.param, started)


@pytest.fixture
def chromium(started: dict[str, Browser]) -> Chromium:
    """A page in Chromium alone, for what only DevTools can do."""
    page = page_of("chromium", started)
    assert isinstance(page, Chromium)
    return page


@pytest.fixture
def webkit(started: dict[str, Browser]) -> WebKit:
    """A page in WebKit alone."""
    page = page_of("webkit", started)
    assert isinstance(page, WebKit)
    return page


@pytest.fixture
def write_modules(here, monkeypatch):
    """A function that takes sources by name, and writes modules into the current folder, on the path."""
    monkeypatch.syspath_prepend(here)
    written = []

    def write(**sources):
        for name, source in sources.items():
            (here / f"{name}.py").write_text(source)
            sys.modules.pop(name, None)
            written.append(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)

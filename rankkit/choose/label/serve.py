"""``rankkit label``: a page for one person, at an address that only this machine knows, until it is ended."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence

from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.candidates import Candidates
from rankkit.choose.label.session import Session
from rankkit.core.text import one_line, printable
from rankkit.errors import UsageError
from rankkit.serving.local import LocalServer, until_stopped, web_missing


def serve(
    candidates: Sequence[Candidates],
    output: str | os.PathLike[str],
    who: str,
    *,
    top: int = 1,
    four: bool = False,
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], object] = print,
) -> Session:
    """Ask `who` about candidates in a browser until Ctrl-C or SIGTERM; the answers go to the file `output`.

    `top`: how many images of each prompt one wants to know. `four`: show up to four at once. With `browser`
    the page is opened where there are windows, else its address is only said.

    Raises `UsageError` where the page cannot be served or no two images can be shown, else as `AnswerFile`.
    """
    try:
        from rankkit.choose.label.app import Page
    except ImportError as error:
        raise web_missing(error, "label") from None
    with AnswerFile(output) as file:
        if file.repaired:
            say(f"{file.path}: {file.repaired}")
        session = Session(candidates, file, who, top=top, four=four)
        if session.elsewhere:
            say(f"{session.elsewhere} answers in {file.path} are about images that are not here; they stay")
        token = secrets.token_urlsafe(24)
        page = Page(session, token, say)
        if page.prepared() is None and session.lost:
            raise UsageError(
                f"no two images of a prompt can be read, so there is nothing to ask about ({session.lost} "
                f"cannot; the reasons stand above)"
            )
        with until_stopped(), LocalServer(page.application(), "label", port) as server:
            address = f"{server.url}/{token}/"
            say(f"the page for {who} is at {address} ; Ctrl-C ends it, and the same command goes on")
            if browser and _has_windows():
                once = f"{server.url}/{page.once}"
                threading.Thread(target=webbrowser.open, args=(once,), daemon=True).start()
            server.run()
        _say_farewell(session, say)
    return session


def person(given: str | None) -> str:
    """The name that answers bear: what was given, else the login name. Raises `UsageError` for none."""
    try:
        name = getpass.getuser() if given is None else given
    except (OSError, KeyError, ImportError):
        name = ""
    if not name.strip():
        raise UsageError("the name of who answers is empty; give --who NAME")
    return one_line(printable(name.strip()))


def _has_windows() -> bool:
    """Whether a browser could show a page here; one in a terminal would take the terminal."""
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ))


def _say_farewell(session: Session, say: Callable[[str], object]) -> None:
    found = session.progress()
    say(
        f"{found.questions} answers by {session.who} in {session.file.path}; {found.prompts_settled} of "
        f"{found.prompts} prompts settled"
    )
    alike, repeated = session.consistency()
    if repeated:
        say(f"{alike} of {repeated} repeated pairs were answered as before")

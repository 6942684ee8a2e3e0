"""A finding of `rankkit doctor`: what is so, how bad it is and what to do, with no secret in it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ok", "note", "broken"]

SECRET = re.compile(r"token|secret|passw|api_?key|credential", re.IGNORECASE)  # in a variable's name
IN_ADDRESS = re.compile(r"(\w+://)[^\s'\"]*@|[^\s'\"@]+:[^\s'\"@]*@")
NAMED = re.compile(
    r"((?:token|secret|password|passwd|api[_-]?key|signature)['\"]?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a topic: fine (`ok`), worth knowing (`note`), or `broken`; and what to do then."""

    topic: str
    state: State
    text: str
    advice: str = ""


def masked(text: str) -> str:
    """A text without passwords in addresses, values of tokens, and the user's home."""
    text = IN_ADDRESS.sub(lambda found: (found[1] or "") + "***@", text)
    text = NAMED.sub(r"\1***", text)
    for name, value in os.environ.items():
        if SECRET.search(name) and len(value) >= 4 and not os.path.exists(value):
            text = text.replace(value, "***")
    home = str(Path("~").expanduser())
    return text.replace(home + os.sep, "~" + os.sep) if len(home) > 1 else text

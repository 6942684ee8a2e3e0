"""Who may ask a server what: its token, the names it goes by, and pages of other sites in a browser.

A page of any site can make a browser send requests to this machine, and by a name of its own that leads here
(DNS rebinding) even read the answers. So a server on loopback answers only to loopback's own names, and
none answers a page that came from elsewhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


class Refused(Exception):
    """A request that is answered with an HTTP status and one line that says why."""

    def __init__(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status, self.headers = status, headers or {}


@dataclass(frozen=True, slots=True)
class Access:
    """What every request is held to.

    `secret`: the header `Authorization` it must bear, None for any. `names`: the hosts it may ask for, None
    for any.
    """

    secret: bytes | None
    names: frozenset[str] | None

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise `Refused` for a request with these headers (names in lower case) that may not be answered."""
        given = headers.get("authorization", "").encode("latin-1", "replace")
        if self.secret is not None and not hmac.compare_digest(given, self.secret):
            raise Refused(
                401,
                "this server wants its token: Authorization: Bearer TOKEN",
                {"www-authenticate": "Bearer"},
            )
        host = headers.get("host", "")
        if self.names is not None and _name(host) not in self.names:
            raise Refused(
                403,
                f"{host[:80] or 'a request without Host'} is not asked for here; ask for "
                f"{' or '.join(sorted(self.names))}, or have the proxy in between send Host: localhost",
            )
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") or (origin is not None and _place(origin) != host.lower()):
            raise Refused(403, f"pages of {(origin or site)[:80]} may not ask this server")


def _name(host: str) -> str:
    """The name in a header Host, without port and brackets; empty for one that holds none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""

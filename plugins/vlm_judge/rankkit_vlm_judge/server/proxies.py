"""The proxy that the environment names for a server, if it is to be reached by way of one."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from rankkit import RankkitError
from rankkit_vlm_judge.server.deadline import keep_deadlines


@dataclass(frozen=True)
class Proxy:
    """A proxy and where it is named; as text ``HTTPS_PROXY=http://proxy:3128``, without its password."""

    url: str
    variable: str
    host: str  # that is reached by way of it

    def __str__(self) -> str:
        scheme, _, rest = self.url.partition("://")
        return f"{self.variable}={scheme}://{rest.rpartition('@')[2]}"

    @property
    def advice(self) -> str:
        """What to do where it does not work."""
        return f"mend or unset {self.variable}, or let this host pass it by: NO_PROXY={self.host}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy for a URL: of its scheme, else of ALL_PROXY. None on loopback, or where NO_PROXY says so."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host) or _in_a_network_of_no_proxy(host):
        return None
    known = getproxies()
    for scheme in (parts.scheme, "all"):
        if found := known.get(scheme):
            names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
            variable = next((name for name in names if os.environ.get(name)), f"the system's {scheme} proxy")
            return Proxy(found if "://" in found else f"http://{found}", variable, host)
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: localhost, 127.0.0.0/8, ::1 or the unspecified address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _in_a_network_of_no_proxy(host: str) -> bool:
    """Whether NO_PROXY holds a network, as 10.0.0.0/8, in which a numeric host is."""
    for each in getproxies().get("no", "").split(","):
        try:
            if "/" in each and ipaddress.ip_address(host) in ipaddress.ip_network(each.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


def transport(proxy: Proxy | None, connections: int) -> httpx2.HTTPTransport:
    """Connections that go by way of a proxy, or straight. Raises `RankkitError` where it cannot be used."""
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    if proxy is None:
        return keep_deadlines(httpx2.HTTPTransport(limits=limits))
    try:
        return keep_deadlines(httpx2.HTTPTransport(limits=limits, proxy=httpx2.Proxy(proxy.url)))
    except ImportError:
        raise RankkitError(
            f"{proxy} needs the package socksio: pip install 'httpx2[socks]'; or {proxy.advice}"
        ) from None
    except (ValueError, httpx2.InvalidURL):
        hint = "write socks5://; or " if proxy.url.startswith("socks") else ""
        raise RankkitError(f"{proxy} is not a proxy that can be used; {hint}{proxy.advice}") from None

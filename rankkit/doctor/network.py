"""What the environment says of the network: offline, mirrors, tokens (never their values), proxies."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rankkit.doctor.findings import Finding

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
TOKENS = ("HF_TOKEN", "RANKKIT_TOKEN", "OPENAI_API_KEY")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def offline() -> list[str]:
    """The variables that keep the hub from being asked."""
    return [name for name in OFFLINE if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")]


def findings() -> Iterator[Finding]:
    """What is set, and what contradicts itself; nothing is asked over the network."""
    for name in offline():
        text = f"{name}={os.environ[name]}: no weights are downloaded"
        yield Finding("network", "note", text, f"unset {name}, or give checkpoint=FOLDER")
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint:
        text = f"weights are downloaded from HF_ENDPOINT={endpoint}"
        yield Finding("network", "note", text, "unset it if that is not meant")
    tokens = [name for name in TOKENS if os.environ.get(name)]
    yield Finding("network", "ok", f"tokens in the environment: {', '.join(tokens) or 'none'}")
    proxies = list(_proxies())
    yield from proxies or [Finding("network", "ok", "no proxy in the environment")]
    for name in CERTIFICATES:
        path = os.environ.get(name)
        if path and not os.path.exists(path):
            yield Finding(
                "network", "broken", f"{name}={path}: there is no such file", f"mend or unset {name}"
            )


def _proxies() -> Iterator[Finding]:
    for name in PROXIES:
        given = {each: os.environ[each] for each in (name, name.upper()) if os.environ.get(each)}
        shown = [f"{each}={address(value)}" for each, value in given.items()]
        if len(set(given.values())) > 1:
            text = f"{' and '.join(shown)} differ: libraries do not agree which counts"
            yield Finding("network", "note", text, "set both alike, or unset one")
        elif shown:
            yield Finding("network", "ok", " = ".join(shown))


def address(text: str) -> str:
    """An address without the user and password in it, however it is written."""
    before, at, rest = text.rpartition("@")
    scheme = f"{before.partition('://')[0]}://" if "://" in before else ""
    return f"{scheme}***@{rest}" if at else text

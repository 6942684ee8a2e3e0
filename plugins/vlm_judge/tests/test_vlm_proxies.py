"""Proxies that the environment names: when they apply, and what is said where they fail."""

import importlib.util
import socket

import pytest

from rankkit import RankkitError, RunStopped
from rankkit_vlm_judge.server.proxies import is_loopback, proxy_for

ELSEWHERE = "http://judge.example:8000/v1"


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1", "socks://127.0.0.1:1"])
def test_no_proxy_stands_between_us_and_this_machine(load, fake, greys, monkeypatch, variable, proxy):
    monkeypatch.setenv(variable, proxy)
    load()
    load(url=fake.url.replace("127.0.0.1", "localhost"))
    assert len(fake.requests) == 2


def test_another_machine_is_reached_by_way_of_the_proxy(load, fake, greys, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", fake.url.removesuffix("/v1"))
    (ranking,) = load(url=ELSEWHERE).rank([greys(40, 200)])
    assert ranking.ranks == (2, 1) and fake.headers[0]["Host"] == "judge.example:8000"


def test_a_proxy_that_is_not_there_is_named_with_its_variable_and_without_its_password(load, monkeypatch):
    proxy = f"http://me:secret@127.0.0.1:{closed_port()}"
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(RunStopped) as caught:
        load(url=ELSEWHERE)
    said = str(caught.value)
    assert f"by way of ALL_PROXY=http://{proxy.split('@')[1]}" in said and "secret" not in said
    assert "unset ALL_PROXY" in said and "NO_PROXY=judge.example" in said


def test_a_proxy_that_answers_itself_is_named(load, fake, monkeypatch):
    monkeypatch.setenv("http_proxy", fake.url.removesuffix("/v1"))
    fake.fault = lambda number, body: (407, b"<html>Proxy Authentication Required</html>")
    with pytest.raises(
        RunStopped, match="by way of http_proxy=.*answered 407.*the proxy's user and password"
    ):
        load(url=ELSEWHERE)
    fake.fault = lambda number, body: (503, b"<html>squid: cannot resolve</html>")
    with pytest.raises(RunStopped, match="by way of http_proxy=.*answered 503: .*squid"):
        load(url=ELSEWHERE, tries=1)


@pytest.mark.skipif(importlib.util.find_spec("socksio") is not None, reason="socksio is installed")
def test_a_socks_proxy_without_its_package_says_which_package(load, monkeypatch):
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:9050")
    with pytest.raises(
        RankkitError, match=r"all_proxy=socks5h://127\.0\.0\.1:9050 needs the package socksio"
    ):
        load(url=ELSEWHERE)


@pytest.mark.parametrize(
    ("proxy", "said"), [("socks://h:1", "write socks5://"), ("ftp://h:1", "is not a proxy that can be used")]
)
def test_a_proxy_of_an_unknown_kind_is_named(load, monkeypatch, proxy, said):
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(RankkitError, match=f"HTTP_PROXY={proxy}.*{said}"):
        load(url=ELSEWHERE)


def test_no_proxy_is_heeded_for_names_domains_and_networks(fake, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "judge.example, .lab.example, 10.0.0.0/8")
    for host in ("judge.example", "gpu.lab.example", "10.1.2.3"):
        assert proxy_for(f"http://{host}:8000/v1") is None
    assert str(proxy_for("http://11.1.2.3/v1")) == "HTTP_PROXY=http://proxy:3128"
    assert proxy_for("https://11.1.2.3/v1") is None  # HTTPS_PROXY would hold for it


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "judge.localhost", "127.8.9.1", "::1", "0.0.0.0"])
def test_this_machine_has_many_names(host):
    assert is_loopback(host) and not is_loopback(f"{host}.example")

"""`drpo push` beside a server that speaks the hub's API: what is sent, and what is left when that fails."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from trained_runs import REPO, trained

from drpo.cli import main
from drpo.report.push import write

TOKEN = "hf_" + "secret" * 6
Push = Callable[..., tuple[int, str, str]]


class Hub(ThreadingHTTPServer):
    """What was asked of it, by method and path, and the answers: one to a path's end may be a failure."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, bytes]] = []
        self.tokens: set[str | None] = set()
        self.failures: dict[str, tuple[int, str]] = {}
        self.stored: dict[str, bytes] = {}
        self.private: bool | None = None  # None until the repository is made

    def commit(self) -> dict[str, bytes]:
        """The files of the last commit by name: what stood in it, or what was stored before."""
        (body,) = [body for path, body in self.asked if path.endswith("/commit/main")]
        files = {}
        for each in map(json.loads, body.splitlines()):
            if each["key"] == "file":
                files[each["value"]["path"]] = base64.b64decode(each["value"]["content"])
            elif each["key"] == "lfsFile":
                files[each["value"]["path"]] = self.stored[each["value"]["oid"]]
        return files

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        for end, (status, message) in self.failures.items():
            if path.endswith(end):
                return status, {"error": message}
        if path == "/api/repos/create":
            there, asked = self.private is not None, json.loads(body)
            if not there:
                self.private = asked.get("visibility") == "private" or asked.get("private") is True
            found = {"url": f"{self.url}/{REPO}"}
            return (409, {"error": "You already created this model repo", **found}) if there else (200, found)
        if "/preupload/" in path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
            files = [{"path": name, "uploadMode": modes[name], "shouldIgnore": False} for name in names]
            return 200, {"files": files}
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.url}/store/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return 200, {"transfer": "basic", "objects": objects}
        if path.startswith("/store/"):
            self.stored[path.removeprefix("/store/")] = body
            return 200, {}
        if "/commit/" in path:
            return 200, {"commitUrl": f"{self.url}/{REPO}/commit/0", "commitOid": "0" * 40}
        if self.private is None:
            return 404, {"error": "Repository not found"}
        return 200, {"id": REPO, "private": self.private, "sha": "0" * 40, "siblings": []}


class Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        path, body = self.path.split("?")[0], self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append((path, body))
        if not path.startswith("/store/"):
            self.server.tokens.add(self.headers["Authorization"])
        status, found = self.server.answer(path, body)
        data = json.dumps(found).encode()
        self.send_response(status)
        if status >= 400:
            self.send_header("X-Error-Message", found["error"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_PUT = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("push"), "shapes", None)[0]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between a client's own tries
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def push(run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Push:
    """The command: its exit code, stdout and stderr."""

    def pushed(*more: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["drpo", "push", str(run), REPO, *more])
        capfd.readouterr()
        try:
            main()
        except SystemExit as stop:
            return (int(stop.code or 0), *capfd.readouterr())
        return (0, *capfd.readouterr())

    return pushed


def test_what_is_sent_is_what_the_folder_holds(hub: Hub, run: Path, push: Push, tmp_path: Path) -> None:
    code, out, err = push()
    assert code == 0 and out.strip() == f"{hub.url}/{REPO}", err
    expected = write(run, REPO, tmp_path / "out")
    assert hub.commit() == {path.name: path.read_bytes() for path in expected.iterdir()}
    assert len(hub.stored) == len(list(expected.glob("*.safetensors"))) >= 1
    assert not (run / "upload").exists() and hub.tokens - {None} == {f"Bearer {TOKEN}"}
    assert TOKEN not in out + err


def test_a_new_repository_is_private_unless_told_otherwise_and_which_is_said(hub: Hub, push: Push) -> None:
    assert "anna/model is private" in push()[2] and hub.private
    hub.private = None
    assert "anna/model is public" in push("--public")[2] and hub.private is False
    assert "anna/model is public" in push()[2] and hub.private is False  # it stays as it is


@pytest.mark.parametrize(
    ("end", "status", "advice"),
    [
        ("/repos/create", 401, "log in by `hf auth login`"),
        ("/objects/batch", 403, "log in by `hf auth login`"),
        ("/preupload/main", 404, ""),
        ("/commit/main", 409, ""),
        ("/commit/main", 503, ""),
    ],
)
def test_a_refusal_is_one_sentence_that_says_how_to_go_on_and_the_folder_stays(
    hub: Hub, run: Path, push: Push, end: str, status: int, advice: str, tmp_path: Path
) -> None:
    hub.failures[end] = status, f"not for {TOKEN}"
    code, out, err = push()
    assert code == 1 and not out and TOKEN not in err and "Traceback" not in err
    (said,) = [line for line in err.splitlines() if "could not be uploaded" in line]
    assert said == err.splitlines()[-1] and advice in said and ("hf auth" in said) == bool(advice)
    assert f"`hf upload {REPO} {run / 'upload'}`" in said
    kept = {path.name: path.read_bytes() for path in (run / "upload").iterdir()}
    assert kept == {path.name: path.read_bytes() for path in write(run, REPO, tmp_path / "out").iterdir()}
    hub.failures.clear()
    hub.asked.clear()
    assert push()[0] == 0 and hub.commit() == kept and not (run / "upload").exists()


def test_without_a_network_the_folder_stays(
    hub: Hub, run: Path, push: Push, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    code, _, err = push()
    assert code == 1 and "could not be uploaded" in err.splitlines()[-1] and "Traceback" not in err
    assert (run / "upload" / "README.md").exists()


def test_without_a_token_it_says_to_log_in(hub: Hub, push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere/token")
    hub.failures["/repos/create"] = 401, "Invalid username or password."
    code, _, err = push()
    assert code == 1 and "log in by `hf auth login`" in err.splitlines()[-1]

"""`rankkit label` in a process of its own, which a test may kill and start again."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from processes import Running
from score_runs import ENVIRONMENT


class Labelling(Running):
    """The command on a folder, until `kill` or `stop`; `url` is the address that it said."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "rankkit", "label", "--no-browser", "--who", "ada", *arguments]
        self.process = subprocess.Popen(
            command, cwd=folder, env={**ENVIRONMENT, "OMP_NUM_THREADS": "1", **environment}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.said: list[str] = []
        assert self.process.stderr is not None
        while "the page for" not in (line := self.process.stderr.readline()):
            assert line, "".join(self.said)
            self.said.append(line)
        self.url = line.split(" at ")[1].split(" ;")[0]

    def ask(
        self, path: str, body: Any = None, method: str = "", raw: bytes | None = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, content and headers of an answer; headers with _ for -."""
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json"} if data is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        full = path if path.startswith("/") else place.path + path
        connection.request(method or ("GET" if data is None else "POST"), full, data, sent)
        answer = connection.getresponse()
        content = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        is_json = "json" in found.get("content-type", "")
        return answer.status, json.loads(content) if is_json else content, found

    def stop(self) -> tuple[str, str]:
        """End it as Ctrl-C does; what it printed and what it said since its address."""
        self.process.send_signal(2)
        printed, said = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, said
        return printed, said

"""The deployment on Ray Serve that docs/serving.md shows, and the application by itself."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from score_runs import ENVIRONMENT

import rankkit
from rankkit.serving.http import application

PAGE = Path(rankkit.__file__).parents[1] / "docs" / "serving.md"

ASK = """
import numpy, rankkit
from PIL import Image
from concurrent.futures import ThreadPoolExecutor

noise = numpy.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=numpy.uint8)
group = rankkit.Group("a fox", tuple(map(Image.fromarray, noise)))
here = rankkit.load("sharpness").rank([group])


def ask(number):
    with rankkit.load("http://127.0.0.1:8000") as there:
        return there.rank([group]) == here


with ThreadPoolExecutor(8) as clients:
    assert all(clients.map(ask, range(16)))
print("all equal")
serve.shutdown()
"""


def ask(app, path, **headers):
    """The status and the JSON of a GET, by the application itself."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        **{"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""},
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(each.get("body", b"") for each in sent[1:]))


def test_the_application_of_a_ranker_answers_without_a_server_of_ours():
    status, said = ask(application("sharpness"), "/", host="localhost:8000")
    assert status == 200 and said["name"] == "sharpness"


def test_the_application_answers_to_loopback_alone_or_to_the_token():
    assert ask(application("sharpness"), "/", host="gpu7:8000")[0] == 403
    guarded = application("sharpness", token="hush")
    assert ask(guarded, "/", host="gpu7:8000")[0] == 401
    assert ask(guarded, "/", host="gpu7:8000", authorization="Bearer hush")[0] == 200


def test_the_application_starts_and_ends_with_the_server_it_is_in():
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    asyncio.run(application("sharpness")({"type": "lifespan", "state": {}}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.slow
def test_the_deployment_that_the_page_shows_gives_the_scores_of_one_process(tmp_path):
    pytest.importorskip("ray.serve", reason="ray[serve] is not installed")
    (code,) = [
        found
        for found in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        if "serve.run" in found
    ]
    done = subprocess.run(
        [sys.executable, "-c", code + ASK],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "all equal" in done.stdout, done.stderr

"""SIGKILL to the page on which people choose: every answer that it said it had saved is there."""

from __future__ import annotations

import http.client
import json
import random
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.faults.processes import RANKKIT, served
from benchmarks.score.images import jpegs


def label(times: int, seed: int) -> dict[str, Any]:
    """`rankkit label`, killed while answers come as fast as it takes them, and started again."""
    rng, counts = random.Random(seed), Counter[str]()
    saved: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rankkit-faults-") as name:
        place = Path(name)
        jpegs(place / "in", 24, side=32)
        command = [*RANKKIT, "label", "in", "--prompt", "a fox", "--no-browser", "--who", "ada"]
        while counts["kills"] < times:
            with served(command, place, " is at ") as (process, url):
                timer = threading.Timer(rng.uniform(0, 0.8), process.kill)
                timer.start()
                answered = _answer_until_it_dies(url, rng)
                timer.join()
                counts["kills"] += process.wait() == -9
            whole, _, torn = (place / "labels.jsonl").read_bytes().rpartition(b"\n")
            there = [json.loads(line)["question"] for line in whole.splitlines()]
            counts["torn last lines"] += bool(torn)
            counts["runs"] += 1
            expected = saved + answered  # and perhaps one more, whose answer did not arrive
            counts["equal"] += there[: len(expected)] == expected and len(there) <= len(expected) + 1
            saved = there
    return {"answers": len(saved), **counts}


def _answer_until_it_dies(url: str, rng: random.Random) -> list[str]:
    """The questions whose answers the server said it had saved."""
    place, saved = urlsplit(url), list[str]()
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    question: dict[str, Any] | None = None
    try:
        while True:
            body = (
                json.dumps({"question": question["id"], "choice": rng.choice([0, 1, "tie"])})
                if question
                else None
            )
            path = place.path + ("answer" if question else "state")
            connection.request(
                "POST" if body else "GET", path, body, {"content-type": "application/json"} if body else {}
            )
            said = json.loads(connection.getresponse().read())
            if question and not said["late"]:
                saved.append(question["id"])
            question = said["question"]
    except (OSError, http.client.HTTPException, ValueError):
        return saved

"""What docs/serving.md shows is run, and what it names exists."""

import re
from pathlib import Path

from web_server import serving

from rankkit.serving import batches, http, openapi, questions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text("utf-8")
BLOCKS = [
    block
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    if "from ray import serve" not in block  # test_ray_serve.py runs it
]


def test_every_python_block_of_the_page_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    with serving("sharpness") as server:
        for block in BLOCKS:
            exec(block.replace("http://127.0.0.1:8085", server.url), {"__name__": "page"})
    assert len(BLOCKS) == 3


def test_limits_and_statuses_are_those_of_the_code():
    assert f"at most {questions.IMAGES}" in PAGE and f"up to {batches.IMAGES} images" in PAGE
    assert f"| 429 | {http.WAITING} requests are under way" in PAGE
    said = {
        int(status)
        for line in re.findall(r"^\| ([\d, ]+) \|", PAGE, re.MULTILINE)
        for status in line.split(",")
    }
    assert said == set(openapi.ERRORS) - {404}

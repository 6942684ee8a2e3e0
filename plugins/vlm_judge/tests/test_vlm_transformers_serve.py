"""A real server: ``transformers serve`` with a tiny random Qwen2.5-VL, asked as anyone would ask it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
for package in ("fastapi", "openai", "uvicorn"):
    pytest.importorskip(package, reason="transformers serve needs pip install 'transformers[serving]'")

from test_vlm_local import noise_images, qwen25, save  # noqa: E402

import rankkit  # noqa: E402

ANSWER = "<|im_start|>assistant\n"


def complete(folder):
    """Give the model what a served one has: the name of its processor, and an end after its one letter."""
    for name in ("processor_config.json", "preprocessor_config.json"):
        path = folder / name
        found = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**found, "processor_class": "Qwen2_5_VLProcessor"}))
    net = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        usual, *after = (
            net.model(input_ids=words(ANSWER + text, return_tensors="pt")["input_ids"]).last_hidden_state[
                0, -1
            ]
            for text in ("", "A", "B")
        )
        end = sum(after) - usual * (sum(after) @ usual) / (usual @ usual)
        net.lm_head.weight[words.eos_token_id] = 60 * end / (end @ end)
    net.save_pretrained(folder)


@pytest.fixture
def server(tmp_path):
    model = tmp_path / "tiny"
    model.mkdir()
    save(model, qwen25)
    complete(model)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model), "--device", "cpu"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with open(tmp_path / "log", "wb") as log:
        run = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, env=environment)
    try:
        end = time.monotonic() + 120
        while not healthy(port):
            assert run.poll() is None and time.monotonic() < end, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", str(model)
    finally:
        run.kill()
        run.wait()


def healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.slow
def test_transformers_serve_answers_every_question_in_both_orders(server):
    url, model = server
    ranker = rankkit.load("vlm-judge", model=model, url=url, cache=None)
    (ranking,) = ranker.rank([rankkit.Group("a noisy image", noise_images(3))])
    judge = ranking.details[0]["judge"]
    assert (judge["calls"], judge["failed_calls"], judge["pairs"]) == (6, 0, 3)
    assert ranking.details[0]["asked_for"] == "text"  # it gives no log-probabilities
    assert judge["tokens"] > 6 * 100 and not any(score != score for score in ranking.scores)

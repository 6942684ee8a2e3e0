"""Rankers that are plain functions run in several processes, and nobody can tell from the rows."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from score_runs import ENVIRONMENT, folder, rows, save_image, score

from rankkit.core.images import decode
from rankkit.errors import RunStopped
from rankkit.registry.load import prepare
from rankkit.scoring import lanes, workers
from rankkit.scoring.chunks import CHUNK
from rankkit.scoring.lanes import Here

MODULE = """
import os, time, rankkit

@rankkit.pointwise
def mean(image):
    print("NOISE")
    return sum(image.resize((1, 1)).getpixel((0, 0)))

@rankkit.pointwise
def deadly(image):
    if image.size == (7, 7):
        os._exit(9)
    return 1.0

@rankkit.pointwise
def segfaulting(image):
    if image.size == (7, 7):
        os.kill(os.getpid(), 11)
    return 1.0

@rankkit.pointwise
def hanging(image):
    if image.size == (7, 7):
        time.sleep(3600)
    return 1.0

@rankkit.pointwise
def ending(image):
    if image.size == (7, 7):
        raise rankkit.RunStopped("the budget is used up")
    return 1.0

@rankkit.pointwise
def slow(image):
    open(f"pid-{os.getpid()}", "w").close()
    time.sleep(0.05)
    return 1.0

class Kept:
    kind = "pointwise"
    def rank(self, groups):
        return [rankkit.Ranking((1.0,) * len(g.images), "pointwise") for g in groups]
"""


linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how many threads there are")
SCORE_MANY = [sys.executable, "-m", "rankkit", "score", "many", "--workers", "2"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "quick_functions.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lanes, "WORTH_WORKERS", 1)
    folder(tmp_path / "d", "abcdefgh")
    yield tmp_path
    sys.modules.pop("quick_functions", None)


def odd_one(path):
    from PIL import Image

    Image.new("RGB", (7, 7), "red").save(path)


def test_rows_are_those_of_one_process_to_the_byte(place):
    for count in (1, 2):
        score("d", "quick_functions:mean", f"{count}.jsonl", engine=Here(count))
    assert Path("1.jsonl").read_bytes() == Path("2.jsonl").read_bytes() and len(rows("2.jsonl")) == 8


@pytest.mark.fault
def test_an_image_that_kills_its_process_costs_only_itself(place, monkeypatch):
    odd_one("d/c2.png")
    outcome = score("d", "quick_functions:deadly", "o.jsonl", engine=Here(2))
    reasons = {row["image"]: row["error"] for row in rows("o.jsonl") if row["error"]}
    assert outcome.images == 9 and list(reasons) == ["d/c2.png"] and "died" in reasons["d/c2.png"]


@pytest.mark.fault
@pytest.mark.parametrize("ranker, why", [("segfaulting", "died"), ("hanging", "no answer within 1 s")])
def test_an_image_at_which_a_function_segfaults_or_hangs_costs_only_itself(place, monkeypatch, ranker, why):
    monkeypatch.setattr(workers, "TIMEOUT", 1)
    odd_one("d/c2.png")
    assert score("d", f"quick_functions:{ranker}", "o.jsonl", engine=Here(2)).abstained == 1
    reasons = {row["image"]: row["error"] for row in rows("o.jsonl") if row["error"]}
    assert list(reasons) == ["d/c2.png"] and why in reasons["d/c2.png"]


def test_a_ranker_that_stops_the_run_keeps_what_it_said_before(place):
    folder(place / "many", [f"{i:03}" for i in range(70)])
    odd_one("many/z.png")
    with pytest.raises(RunStopped, match="budget"):
        score("many", "quick_functions:ending", "o.jsonl", engine=Here(2))
    with open("o.jsonl.journal") as file:
        assert len(file.readlines()) == CHUNK
    os.remove("many/z.png")
    assert score("many", "quick_functions:ending", "o.jsonl", engine=Here(2)).reused == CHUNK


def test_only_plain_functions_run_in_other_processes(place):
    assert (
        prepare("quick_functions:mean").plain
        and prepare("sharpness").plain
        and prepare("sharpness+contrast").plain
    )
    assert not prepare("quick_functions:Kept").plain and not prepare("sharpness+quick_functions:Kept").plain


def test_what_a_function_prints_in_another_process_is_no_result(place):
    folder(place / "many", [f"{i:03}" for i in range(lanes.WORTH_WORKERS + 256)])
    command = [*SCORE_MANY, "-r", "quick_functions:mean"]
    run = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert run.returncode == 0, run.stderr
    assert "NOISE" in run.stderr and "NOISE" not in run.stdout
    assert len(run.stdout.splitlines()) == lanes.WORTH_WORKERS + 256


OPEN = """
import rankkit
numbers = open("numbers", "rb")

@rankkit.pointwise
def looked_up(image):
    place = image.getpixel((0, 0))[0]
    numbers.seek(4 * place)
    return int(numbers.read(4))
"""


def test_what_a_module_keeps_open_is_each_workers_own(place):
    (place / "looking.py").write_text(OPEN)
    (place / "numbers").write_text("".join(f"{i * i % 9973:4}" for i in range(256)))
    folder(place / "many", [f"{i:03}" for i in range(600)])
    command = [*SCORE_MANY, "-r", "looking:looked_up", "-o", "o.jsonl"]
    assert subprocess.run(command, env=ENVIRONMENT, capture_output=True).returncode == 0
    first = {
        str(path): decode(path.read_bytes()).image.getpixel((0, 0))[0] for path in Path("many").iterdir()
    }
    assert {row["image"]: row["score"] for row in rows("o.jsonl")} == {
        name: red * red % 9973 for name, red in first.items()
    }


@pytest.mark.fault
def test_no_process_works_on_for_a_program_that_was_killed(place):
    folder(place / "many", [f"{i:03}" for i in range(300)])
    command = [*SCORE_MANY, "-r", "quick_functions:slow"]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    until(lambda: len(list(place.glob("pid-*"))) == 2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    until(lambda: not any(map(alive, place.glob("pid-*"))))


@linux
@pytest.mark.fault
def test_no_fork_works_on_for_a_program_that_was_killed(place):
    for i in range(300):
        save_image(place / "many" / f"{i}.png", i, size=(400, 300))
    command = [*SCORE_MANY, "-r", "sharpness", "-o", "o.jsonl"]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    until(lambda: len(children.read_text().split()) == 2)
    forks = [place / f"pid-{pid}" for pid in children.read_text().split()]
    run.send_signal(signal.SIGKILL)
    run.wait()
    until(lambda: not any(map(alive, forks)))
    assert subprocess.run(command, env=ENVIRONMENT, capture_output=True).returncode == 0
    assert len(rows("o.jsonl")) == 300


def alive(path):
    return os.path.exists(f"/proc/{path.name.removeprefix('pid-')}/stat")


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


SIGNALS_OF_THE_PROCESS = """
import threading
from multiprocessing import forkserver
from rankkit.scoring import workers
threading.Thread(target=threading.Event().wait, daemon=True).start()
workers.start([], 2)
print(open(f"/proc/{forkserver._forkserver._forkserver_pid}/status").read())
"""


@linux
def test_the_process_that_workers_fork_from_never_hears_ctrl_c():
    status = in_a_program(SIGNALS_OF_THE_PROCESS)
    blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    assert int(blocked, 16) & 1 << (signal.SIGINT - 1)


HOW_WORKERS_START = """
import threading
from rankkit.registry.load import prepare
from rankkit.scoring.workers import _context
own = prepare("sharpness+contrast+colorfulness+saturation+prompt-color+compressibility")
other = prepare("quick_functions:mean")
print(_context([own]).get_start_method(), _context([own, other]).get_start_method())
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(_context([own]).get_start_method())
"""


@linux
def test_workers_of_own_rankers_fork_from_a_program_with_one_thread_and_no_others_do(place):
    assert in_a_program(HOW_WORKERS_START, place).split() == ["fork", "forkserver", "forkserver"]


WHAT_A_WORKER_HOLDS = """
import os
from functools import partial
from pathlib import Path
from rankkit.scoring.journal import Journal
from rankkit.scoring.processes import Processes
from rankkit.scoring.workers import _context

def held(_):
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
    return [os.readlink(link) for link in links if os.path.islink(link)]

started = Processes(partial(_context, []), partial(partial, held), 3, timeout=60)
with Journal(Path("o.jsonl")), started as processes:
    processes.start(3)
    ours = {os.readlink(f"/proc/self/fd/{worker.connection.fileno()}") for worker in processes._workers}
    for _, names in processes.in_order(iter(range(12))):
        assert not any(name.endswith(".journal") for name in names), names
        assert not ours & set(names), names
print(_context([]).get_start_method())
"""


@linux
def test_a_worker_holds_no_file_of_the_program_and_nobody_elses_pipe(tmp_path):
    assert in_a_program(WHAT_A_WORKER_HOLDS, tmp_path) == "fork\n"


def in_a_program(code, cwd=None):
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=cwd, check=True)
    return run.stdout

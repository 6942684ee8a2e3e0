"""`--engine ray`: the same rows as without it, whatever dies."""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from score_runs import ENVIRONMENT, LISTWISE, SLOW, command, folder, rows, run, start, wait_for
from shard_files import archive, manifest, ordered, rows_in

from benchmarks.faults.processes import below
from rankkit.io.prompts.base import Item
from rankkit.plugin import prepare
from rankkit.scoring.ray import cluster as ray_cluster
from rankkit.scoring.ray import pools as ray_pools
from rankkit.scoring.ray import said as ray_said
from rankkit.scoring.ray.chunks import Scorer
from rankkit.scoring.ray.room import Share, plan
from rankkit.scoring.work import Work

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")

# a ranker that a worker dies of: each time at one image, once at another
DEADLY = """
import os, pathlib, rankkit

@rankkit.pointwise
def deadly(image):
    value = image.getpixel((0, 0))
    if value == {always}:
        os._exit(1)
    if value == {once} and not pathlib.Path("died").exists():
        pathlib.Path("died").touch()
        os._exit(1)
    return value[0]
"""


def pixel(path: Path) -> tuple:
    from PIL import Image

    return Image.open(path).getpixel((0, 0))


@pytest.mark.slow
def test_ray_gives_the_rows_of_a_local_run(tmp_path):
    for name in ("one", "two"):
        folder(tmp_path / "in" / name, map(str, range(70)))
        (tmp_path / "in" / name / "prompt.txt").write_text(f"a blue number {name} 🦊")
    (tmp_path / "in" / "one" / "zero.png").touch()
    (tmp_path / "slowly.py").write_text(SLOW)
    (tmp_path / "darker.py").write_text(LISTWISE)
    specs = ("slowly:slow", "darker:Darker", "prompt-color", "compressibility:quality=50")
    rankers = [part for spec in specs for part in ("-r", spec)]
    for engine in ("local", "ray"):
        done = run("score", "in", *rankers, "--engine", engine, "-o", f"{engine}.jsonl", cwd=tmp_path)
        assert done.returncode == 3, done.stderr.decode()
    assert (
        done.stdout == b"" and not [line for line in done.stderr.splitlines() if b"ray" in line.lower()][1:]
    )
    assert rows(tmp_path / "ray.jsonl") == rows(tmp_path / "local.jsonl")
    again = run("score", "in", *rankers, "--engine", "ray", "-o", "ray.jsonl", cwd=tmp_path)
    # the abstentions are tried again, and with one of them its whole listwise group
    assert b"490 known already" in again.stderr
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()
    done = run("score", "in", *rankers, "--engine", "ray", "-o", "out/", cwd=tmp_path)
    assert done.returncode == 3 and done.stdout == b"", done.stderr.decode()
    assert rows_in(tmp_path / "out") == ordered(rows(tmp_path / "local.jsonl"))


@pytest.mark.slow
def test_an_image_that_a_worker_dies_of_twice_abstains_and_costs_no_other(tmp_path):
    folder(tmp_path / "in", map(str, range(10)), "a fox")
    always, once = pixel(tmp_path / "in" / "3.png"), pixel(tmp_path / "in" / "6.png")
    (tmp_path / "deadly.py").write_text(DEADLY.format(always=always, once=once))
    done = run("score", "in", "-r", "deadly:deadly", "--engine", "ray", "-o", "out.jsonl", cwd=tmp_path)
    assert done.returncode == 3, done.stderr.decode()
    found = {row["image"]: row["error"] for row in rows(tmp_path / "out.jsonl")}
    assert [name for name, error in found.items() if error] == ["in/3.png"] and len(found) == 10
    assert "worker that scored it died" in found["in/3.png"]


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_shard_a_second_try(tmp_path):
    for number in range(4):
        archive(tmp_path / "in" / f"{number}.tar", range(10 * number, 10 * number + 5))
    (tmp_path / "deadly.py").write_text(DEADLY.format(always=(), once=seed_pixel(12)))
    done = run("score", "in", "-r", "deadly:deadly", "--engine", "ray", "-o", "out/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "died").exists() and len(rows_in(tmp_path / "out")) == 20
    (tmp_path / "deadly.py").write_text(DEADLY.format(always=seed_pixel(12), once=()))
    done = run("score", "in", "-r", "deadly:deadly", "--engine", "ray", "-o", "again/", cwd=tmp_path)
    assert done.returncode == 1
    assert b"in/1.tar: the worker that scored it died, twice" in done.stderr
    assert b"3 shards are scored and kept in again" in done.stderr
    assert len(rows_in(tmp_path / "again")) == 15 and manifest(tmp_path / "again")["scored"] == 3


def seed_pixel(seed: int) -> tuple:
    import io

    from PIL import Image
    from shard_files import png

    return Image.open(io.BytesIO(png(seed))).getpixel((0, 0))


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_with_the_rows_of_one_that_was_not(tmp_path):
    for number in range(6):
        archive(tmp_path / "in" / f"{number}.tar", range(10 * number, 10 * number + 9), "a fox")
    (tmp_path / "slowly.py").write_text(SLOW.replace("0.002", "0.05"))
    arguments = ("score", "in", "-r", "slowly:slow", "--engine", "ray", "--workers", "1")
    first = start(*arguments, "-o", "out/", cwd=tmp_path, start_new_session=True)
    wait_for(lambda: len(list((tmp_path / "out" / "done").glob("*.json"))) >= 2)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = run(*arguments, "-o", "out/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    scored = int(done.stderr.split(b" scored")[0].split()[-1])
    assert scored <= 54 - 18
    assert run("score", "in", "-r", "slowly:slow", "-o", "all.jsonl", cwd=tmp_path).returncode == 0
    assert rows_in(tmp_path / "out") == ordered(rows(tmp_path / "all.jsonl"))


@pytest.mark.slow
@pytest.mark.fault
@pytest.mark.parametrize("part", ["raylet/raylet", "gcs_server"])
def test_a_cluster_that_dies_is_one_message_and_what_was_scored_is_kept(tmp_path, part):
    folder(tmp_path / "in", map(str, range(400)), "a fox")
    (tmp_path / "slowly.py").write_text(SLOW.replace("0.002", "0.05"))
    arguments = ("score", "in", "-r", "slowly:slow", "-o", "out.jsonl")
    journal = tmp_path / "out.jsonl.journal"
    first = start(*arguments, "--engine", "ray", "--workers", "1", cwd=tmp_path)
    wait_for(lambda: journal.exists() and journal.stat().st_size > 1000, 200)
    (victim,) = below(first.pid, part)
    os.kill(victim, signal.SIGKILL)
    said = first.communicate(timeout=240)[1].decode()
    assert "Traceback" not in said
    if part == "gcs_server" and first.returncode == 0:  # the workers came to the end without it
        assert len({row["image"] for row in rows(tmp_path / "out.jsonl")}) == 400
        return
    assert first.returncode == 1
    assert "the Ray cluster is gone" in said and "give the same command again" in said
    assert "(raylet)" not in said and "Last 20 lines" not in said
    if part == "raylet/raylet":
        log = re.search(r"what Ray says of it is in (\S+\.log)\)", said)
        assert log and "raylet" in Path(log[1]).read_text("utf-8")
    again = run(*arguments, cwd=tmp_path)
    assert again.returncode == 0 and b"known already" in again.stderr, again.stderr.decode()
    assert len({row["image"] for row in rows(tmp_path / "out.jsonl")}) == 400


SHARES = """
import json, pathlib, ray, rankkit
from rankkit.io.prompts import survey
from rankkit.plugin import prepare
from rankkit.scoring import engine
from rankkit.scoring.lanes import Here
from rankkit.scoring.ray.chunks import OnRay
from rankkit.scoring.ray.pool import Pool, on_ray

class Share:
    def score(self, task):
        return ray.get_runtime_context().get_assigned_resources().get("GPU", 0)

class Model(rankkit.Pointwise):
    def score(self, images):
        return [float(image.getpixel((0, 0))[0]) for image in images]

if __name__ == "__main__":
    import shares
    ray.init(num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False)
    options = {"workers": 2, "ahead": 1}
    found = [[share for *_, share in on_ray([Pool(shares.Share, (), range(4), gpus)], **options)]
             for gpus in (True, False)]
    rankers = [prepare("sharpness"), prepare("shares:Model")]
    for name, where in (("local", Here(2)), ("ray", OnRay(2))):
        output = pathlib.Path(f"{name}.jsonl")
        engine.score(survey([pathlib.Path("in")]), rankers, output, engine=where)
    print(json.dumps(found))
"""

# two pools at once, on two nodes with a GPU each; one of them is lost; a worker that cannot start
POOLS = """
import json, pathlib, time, ray, rankkit
from ray.cluster_utils import Cluster
from rankkit.io.prompts import survey
from rankkit.plugin import prepare
from rankkit.scoring import engine
from rankkit.scoring.ray.chunks import OnRay
from rankkit.scoring.ray.pool import Pool, on_ray

def gpus():
    return ray.get_runtime_context().get_assigned_resources().get("GPU", 0)

class Slow:
    def score(self, task):
        time.sleep(0.3)
        return gpus(), time.monotonic()

class Model(rankkit.Pointwise):
    def score(self, images):
        assert gpus() == 1
        return [float(image.getpixel((0, 0))[0]) for image in images]

class Broken:
    def __init__(self):
        raise ModuleNotFoundError("No module named 'rankkit_missing'")

if __name__ == "__main__":
    import several
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3, "num_gpus": 1})
    other = cluster.add_node(num_cpus=1, num_gpus=1)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    both = [Pool(several.Slow, (), range(9), True), Pool(several.Slow, (), range(9), False)]
    found = [(both.index(pool), task, *answer) for pool, task, answer in on_ray(both, workers=3, ahead=1)]
    output, rankers = pathlib.Path("ray.jsonl"), [prepare("sharpness"), prepare("several:Model")]
    engine.score(survey([pathlib.Path("in")]), rankers, output, engine=OnRay())
    answers = on_ray([Pool(several.Slow, (), range(20), True)], workers=2, ahead=2)
    tasks = [next(answers)[1]]
    cluster.remove_node(other)
    tasks += [task for _, task, _ in answers]
    try:
        list(on_ray([Pool(several.Broken, (), range(3))], workers=2, ahead=1))
    except rankkit.RankkitError as error:
        print(json.dumps([found, tasks, str(error)]))
    ray.shutdown()
    cluster.shutdown()
"""


@pytest.mark.slow
def test_workers_share_a_gpu_and_those_that_need_none_take_no_part_of_it(tmp_path):
    """Ray hands out GPUs by number, whether or not they are there."""
    folder(tmp_path / "in", map(str, range(70)), "a fox")
    (tmp_path / "shares.py").write_text(SHARES)
    line, patient = [sys.executable, "shares.py"], {**ENVIRONMENT, "RAY_raylet_start_wait_time_s": "200"}
    done = subprocess.run(line, cwd=tmp_path, env=patient, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[0.5] * 4, [0] * 4]
    assert rows(tmp_path / "ray.jsonl") == rows(tmp_path / "local.jsonl")


@pytest.mark.slow
@pytest.mark.fault
def test_pools_work_at_once_and_no_worker_without_a_place_is_given_a_task(tmp_path):
    folder(tmp_path / "in", map(str, range(150)), "a fox")
    (tmp_path / "several.py").write_text(POOLS)
    patient = {**ENVIRONMENT, "RAY_raylet_start_wait_time_s": "200"}
    patient["PYTHONPATH"] = os.pathsep.join([patient["PYTHONPATH"], str(tmp_path)])
    line = [sys.executable, "several.py"]
    done = subprocess.run(line, cwd=tmp_path, env=patient, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found, tasks, broken = json.loads(done.stdout.splitlines()[-1])
    assert sorted((pool, task) for pool, task, *_ in found) == [(p, t) for p in (0, 1) for t in range(9)]
    assert {gpu for pool, _, gpu, _ in found if pool == 0} == {0.5}
    assert {gpu for pool, _, gpu, _ in found if pool == 1} == {0}
    ends = [[at for number, _, _, at in found if number == pool] for pool in (0, 1)]
    assert min(ends[1]) < max(ends[0]) and min(ends[0]) < max(ends[1])
    scored = rows(tmp_path / "ray.jsonl")
    assert len(scored) == 300 and not any(row["error"] for row in scored)
    assert sorted(tasks) == list(range(20))
    assert "no worker of Ray can start" in broken and "rankkit_missing" in broken


def test_workers_that_share_a_gpu_or_a_cpu_are_whole_numbers_on_each():
    two = [{"CPU": 4.0, "GPU": 2.0}]
    assert plan(two, [True], 3) == [Share(3, 1, 1 / 2)]
    assert plan(two, [True, False], None) == [Share(2, 1, 1), Share(2, 1, 0)]
    assert plan(two, [False], None) == [Share(4, 1, 0)]
    assert plan([{"CPU": 2.0}], [True], 5) == [Share(5, 1 / 3, 0)]
    assert plan([{"CPU": 1.0}, {"CPU": 1.0}], [False], 3) == [Share(3, 1 / 2, 0)]
    few_cores = [{"CPU": 4.0, "GPU": 8.0}, {"CPU": 60.0}]
    assert plan(few_cores, [True, False], None) == [Share(8, 1 / 2, 1), Share(56, 1, 0)]
    assert plan([{}], [True, False], None) == [Share(1, 1 / 2, 0)] * 2


def test_rankers_that_need_no_gpu_have_workers_of_their_own_where_there_are_gpus(tmp_path, monkeypatch):
    (tmp_path / "some_rankers.py").write_text(SLOW + LISTWISE)
    monkeypatch.syspath_prepend(tmp_path)
    names = ("sharpness", "some_rankers:slow", "some_rankers:Darker", "sharpness+contrast")
    rankers = [prepare(name) for name in names]
    monkeypatch.setattr(ray_pools, "has_gpus", lambda: True)
    assert ray_pools.pools((0, 1, 2, 3), rankers) == [(1, 2), (0, 3)]
    assert ray_pools.pools((0, 3), rankers) == [(0, 3)] and ray_pools.pools((1,), rankers) == [(1,)]
    monkeypatch.setattr(ray_pools, "has_gpus", lambda: False)
    assert ray_pools.pools((0, 1, 2, 3), rankers) == [(0, 1, 2, 3)]


def test_what_ray_says_of_its_nodes_goes_into_a_file(capsys, monkeypatch):
    worker = pytest.importorskip("ray._private.worker")
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    monkeypatch.setattr(ray_said, "_file", [])
    ray_said.keep_apart(sys.modules["ray"])
    assert ray_said.said() == ""
    message = {"lines": ["The node has been marked dead."], "pid": "raylet", "is_err": False}
    worker.print_to_stdstream(message, ignore_prefix=False)
    (path,) = re.findall(r"is in (.*)\)", ray_said.said())
    assert Path(path).read_text("utf-8") == "(raylet) The node has been marked dead.\n"
    Path(path).unlink()
    assert capsys.readouterr() == ("", "")


def test_a_cluster_that_is_not_there_is_one_message_at_once(tmp_path):
    folder(tmp_path / "in", "ab", "a fox")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = {**ENVIRONMENT, "RAY_ADDRESS": f"127.0.0.1:{port}"}
    for output in ("out/", "out.jsonl"):
        line = command("score", "in", "-r", "contrast", "--engine", "ray", "-o", output)
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        said = done.stderr.splitlines()[-1]
        assert f"there is no Ray cluster at RAY_ADDRESS=127.0.0.1:{port}" in said and "ray start" in said


def test_a_cluster_of_this_machine_that_is_gone_is_not_waited_for(tmp_path, monkeypatch):
    """Ray notes the address of one that starts, and forgets it when that is stopped, not when it dies."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert not ray_cluster._runs_here()
    (tmp_path / "ray").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as there:
        address = f"127.0.0.1:{there.getsockname()[1]}"
        (tmp_path / "ray" / "ray_current_cluster").write_text(address)
        assert ray_cluster._runs_here()
    assert not ray_cluster._runs_here()


def test_a_worker_builds_its_ranker_once_however_many_chunks_it_is_given(tmp_path, monkeypatch):
    folder(tmp_path / "in", "abc")
    (tmp_path / "built_once.py").write_text(
        "BUILT = []\nimport rankkit\n\nclass Once(rankkit.Pointwise):\n    def __init__(self):\n"
        "        BUILT.append(1)\n    def score(self, images):\n        return [1.0] * len(images)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    worker = Scorer(["built_once:Once"], whole=False)
    for name in "abc":
        found = worker.score([Work((0, 0), Item(f"in/{name}.png", f"in/{name}.png", "g"), (0,))])
        assert found.rows[0][1]["score"] == 1.0
    assert len(sys.modules["built_once"].BUILT) == 1


def test_a_worker_says_which_ranker_it_cannot_build(tmp_path):
    found = Scorer(["no-such-ranker"], whole=False).score([Work((0, 0), Item("a.png", "a.png", "g"), (0,))])
    assert found.rows == [] and "no ranker is named 'no-such-ranker'" in found.failed


def test_without_ray_the_engine_says_how_to_get_it(tmp_path, monkeypatch):
    from rankkit.errors import UsageError
    from rankkit.scoring.ray.cluster import connected

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"needs Ray: pip install 'rankkit-t2i\[ray\]'"):
        connected()
    assert os.environ.get("RAY_ADDRESS") is None

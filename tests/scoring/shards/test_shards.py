"""Runs over shards: the rows of one machine, kept shard by shard."""

import hashlib
import json

import pytest
from score_runs import LISTWISE, folder, run
from score_runs import score as score_here
from shard_files import archive, in_this_process, manifest, ordered, rows_in, score, table

from rankkit.errors import BadRows, BadSource, RankkitError, RunStopped, UsageError
from rankkit.io.formats import all_rows, read_rows
from rankkit.scoring.shards.across import APART

RANKERS = ["contrast", "prompt-color", "contrast+saturation*2"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def shards(tmp_path):
    """Two archives and a parquet file; one image of each is of a group that the others have a part of."""
    for number in range(2):
        seeds = range(10 * number, 10 * number + 5)
        archive(tmp_path / "in" / f"{number}.tar", seeds, "a blue fox {}")
    archive(tmp_path / "in" / "deep" / "2.tar", range(20, 24), "a red fox")
    table(tmp_path / "in" / "3.parquet", range(30, 34), "a red fox")
    return tmp_path / "in"


def test_shards_have_the_rows_of_a_run_on_one_machine(tmp_path):
    shards(tmp_path)
    here = score_here("in", RANKERS, tmp_path / "all.jsonl")
    outcome = score(["in"], RANKERS, tmp_path / "out")
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))
    assert (outcome.images, outcome.scored) == (here.images, here.scored) == (18, 54)
    assert outcome.groups == here.groups + 1  # of the one that lies in two shards each has a part


@pytest.mark.parametrize("path", ["in/0.tar", "in/3.parquet"])
def test_a_single_archive_or_parquet_file_is_a_shard(path, tmp_path):
    shards(tmp_path)
    score_here(path, "contrast", tmp_path / "all.jsonl")
    score([path], "contrast", tmp_path / "out")
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))


def test_images_of_a_plain_folder_are_shards_of_listed_images(tmp_path, monkeypatch):
    monkeypatch.setattr("rankkit.scoring.shards.find.LISTED", 3)
    folder(tmp_path / "in" / "one", "abcd", "a red fox")
    folder(tmp_path / "in" / "two", "abcd", "a blue fox")
    (tmp_path / "in" / "none.png").touch()
    score_here("in", RANKERS, tmp_path / "all.jsonl")
    outcome = score(["in"], RANKERS, tmp_path / "out")
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))
    assert outcome.abstained == 3 and len(manifest(tmp_path / "out")["done"]) >= 2
    folder(tmp_path / "in" / "two", "abcde", "a blue fox")
    score(["in"], RANKERS, tmp_path / "out")
    score_here("in", RANKERS, tmp_path / "all.jsonl")
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))


def test_a_listwise_ranker_sees_listed_groups_whole_and_abstains_on_one_that_shards_part(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("rankkit.scoring.shards.find.LISTED", 3)
    (tmp_path / "darker.py").write_text(LISTWISE)
    folder(tmp_path / "listed" / "one", "abcd", "a red fox")
    folder(tmp_path / "listed" / "two", "abcd", "a blue fox")
    score_here("listed", "darker:Darker", tmp_path / "all.jsonl")
    score(["listed"], "darker:Darker", tmp_path / "out")
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))
    outcome = score([shards(tmp_path)], "darker:Darker", tmp_path / "parted")
    found = {row["prompt"]: row["error"] for row in rows_in(tmp_path / "parted")}
    assert found.pop("a red fox") == APART and set(found.values()) == {None}
    assert outcome.abstained == 8 and outcome.reasons == {f"darker:Darker: {APART}": 8}


def test_the_manifest_says_what_is_in_every_file(tmp_path):
    score([shards(tmp_path)], ["contrast"], tmp_path / "out")
    found = manifest(tmp_path / "out")
    assert found["shards"] == found["scored"] == 4
    assert found["run"]["rankers"][0]["ranker"] == "contrast"
    for done in found["done"]:
        data = (tmp_path / "out" / done["rows"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (done["bytes"], done["sha256"])
        assert data.count(b"\n") == done["scores"] == done["images"]


def test_rows_are_parquet_where_the_name_of_the_folder_ends_so(tmp_path):
    score([shards(tmp_path)], ["contrast"], tmp_path / "out.parquet")
    score(["in"], ["contrast"], tmp_path / "out")
    found = [
        {**row, "image": row["image"].removeprefix(f"{tmp_path}/")}
        for row in rows_in(tmp_path / "out.parquet")
    ]
    assert [row["score"] for row in found] == [row["score"] for row in rows_in(tmp_path / "out")]
    assert {path.suffix for path in (tmp_path / "out.parquet").iterdir()} == {".parquet", ".json", ""}


# --- resuming ---


def test_a_scored_shard_is_left_as_it_is_until_it_changes(tmp_path):
    shards(tmp_path)
    score(["in"], RANKERS, tmp_path / "out")
    before = rows_in(tmp_path / "out")
    taken = []
    again = score(["in"], RANKERS, tmp_path / "out", taken=taken)
    assert taken == [] and (again.scored, again.reused) == (0, 54) and rows_in(tmp_path / "out") == before
    archive(tmp_path / "in" / "1.tar", range(10, 16), "a blue fox {}")
    assert score(["in"], RANKERS, tmp_path / "out", taken=taken).scored == 3
    # those that share a group with others are looked through again, and nothing in them is scored again
    assert taken == ["in/1.tar", "in/3.parquet", "in/deep/2.tar"]
    score(["in"], RANKERS, tmp_path / "out", taken=taken, prompt="a fox")
    assert len(taken) == 7


def test_ranks_hold_among_the_shards_there_are(tmp_path):
    score([shards(tmp_path).relative_to(tmp_path)], RANKERS, tmp_path / "out")
    for change in ("add", "remove"):
        if change == "add":
            archive(tmp_path / "in" / "4.tar", range(40, 44), "a red fox")
        else:
            (tmp_path / "in" / "4.tar").unlink()
            (tmp_path / "in" / "3.parquet").unlink()
            for path in (tmp_path / "out").glob("[34].*"):
                path.unlink()  # rows of shards that are gone stay until the user takes them away
        score(["in"], RANKERS, tmp_path / "out")
        score_here("in", RANKERS, tmp_path / f"{change}.jsonl")
        assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / f"{change}.jsonl"))


def test_a_run_that_ends_half_way_goes_on_where_it_stopped(tmp_path):
    shards(tmp_path)
    scored = in_this_process(["contrast"])

    def two(task, each):
        for number, found in enumerate(scored(task, each)):
            if number == 2:
                raise KeyboardInterrupt
            yield found

    with pytest.raises(KeyboardInterrupt):
        score(["in"], ["contrast"], tmp_path / "out", workers=two)
    assert manifest(tmp_path / "out")["scored"] == 2
    taken = []
    score(["in"], ["contrast"], tmp_path / "out", taken=taken)
    assert len(taken) == 2
    score_here("in", "contrast", tmp_path / "all.jsonl")
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))


def test_rows_that_were_taken_away_are_made_again(tmp_path):
    score([shards(tmp_path)], ["contrast"], tmp_path / "out")
    before = rows_in(tmp_path / "out")
    next((tmp_path / "out").glob("0.tar*.jsonl")).unlink()
    assert score(["in"], ["contrast"], tmp_path / "out").scored == 18  # named otherwise, they are others
    assert score([tmp_path / "in"], ["contrast"], tmp_path / "out").scored == 5
    assert len(rows_in(tmp_path / "out")) == 2 * len(before)


# --- what goes wrong ---


def test_a_shard_that_cannot_be_read_costs_the_others_nothing(tmp_path):
    shards(tmp_path)
    table(tmp_path / "in" / "4.parquet", range(3))
    taken = []
    scored = in_this_process(["contrast"], taken)

    def breaking(task, each):
        for shard in each:
            if shard.relative == "4.parquet":
                (tmp_path / "in" / "4.parquet").write_bytes(b"PAR1")
            yield from scored(task, iter([shard]))

    with pytest.raises(
        RankkitError, match=r"in/4.parquet: holds no images.*; 4 shards are scored and kept in"
    ):
        score(["in"], ["contrast"], tmp_path / "out", workers=breaking)
    assert manifest(tmp_path / "out")["scored"] == 4
    table(tmp_path / "in" / "4.parquet", range(3))
    taken.clear()
    score(["in"], ["contrast"], tmp_path / "out", taken=taken)
    assert taken == ["in/4.parquet"]


def test_a_ranker_that_cannot_go_on_ends_the_run_and_what_was_judged_is_kept(tmp_path):
    shards(tmp_path)
    (tmp_path / "spent.py").write_text(
        "import rankkit\nfrom rankkit.errors import RunStopped\nleft = 7\n\n@rankkit.pointwise\n"
        "def spent(image):\n    global left\n    left -= 1\n    if left < 0:\n"
        "        raise RunStopped('the budget is spent')\n    return 1.0\n"
    )
    with pytest.raises(RunStopped, match="the budget is spent"):
        score(["in"], ["spent:spent"], tmp_path / "out")
    import spent

    spent.left = 100
    outcome = score(["in"], ["spent:spent"], tmp_path / "out")
    assert (outcome.reused, outcome.scored, outcome.abstained) == (5, 13, 0)


def test_an_archive_whose_images_have_no_prompt_abstains_where_one_is_needed(tmp_path):
    archive(tmp_path / "in" / "0.tar", range(3), None)
    archive(tmp_path / "in" / "1.tar", range(3, 6), "a red fox")
    score_here("in", "prompt-color", tmp_path / "all.jsonl")
    assert score(["in"], ["prompt-color"], tmp_path / "out").abstained == 3
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))


def test_a_second_run_into_a_folder_waits_its_turn(tmp_path):
    shards(tmp_path)

    def meanwhile(task, each):
        with pytest.raises(RankkitError, match="another run is writing to it"):
            score(["in"], ["contrast"], tmp_path / "out")
        return in_this_process(["contrast"])(task, each)

    score(["in"], ["contrast"], tmp_path / "out", workers=meanwhile)


def test_places_that_cannot_be_used_are_one_message(tmp_path):
    shards(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file, not a folder"):
        score(["in"], ["contrast"], tmp_path / "file")
    with pytest.raises(RankkitError, match="cannot be written: .*the same command again"):
        score(["in"], ["contrast"], "/proc/nowhere/out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadSource, match="no image was found"):
        score(["empty"], ["contrast"], tmp_path / "out")
    score(["in"], ["contrast"], tmp_path / "out")
    broken = next((tmp_path / "out" / "done").glob("*.json"))
    broken.write_text(json.dumps({"shard": "in/0.tar"}))
    with pytest.raises(RankkitError, match="is damaged .*delete it, and its shard is scored again"):
        score(["in"], ["contrast"], tmp_path / "out")


# --- a folder of rows, read ---


def test_commands_that_read_rows_read_a_folder_of_them(tmp_path):
    folder(tmp_path / "in" / "one", "abcd", "a red fox")
    folder(tmp_path / "in" / "two", "abcd", "a blue fox")
    score_here("in", "contrast", tmp_path / "all" / "rows.jsonl")
    score(["in"], "contrast", tmp_path / "out")
    for command in (["table", "FILE", "--format", "csv"], ["select", "FILE", "-r", "contrast", "--top", "1"]):
        told = []
        for name in ("all/rows.jsonl", "out"):
            done = run(*[name if word == "FILE" else word for word in command], cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            told.append(done.stdout.decode().replace(name, "FILE"))
        assert told[0].replace("rows", "out") == told[1].replace("FILE", "out").replace("rows", "out"), (
            command
        )
    done = run("gallery", "out", "-o", "page.html", cwd=tmp_path)
    assert done.returncode == 0 and "in/one" in (tmp_path / "page.html").read_text("utf-8")


def test_a_folder_of_rows_that_is_not_whole_is_refused(tmp_path):
    score([shards(tmp_path)], ["contrast"], tmp_path / "out")
    assert len(list(read_rows(tmp_path / "out"))) == 18
    path = tmp_path / "out" / "manifest.json"
    found = manifest(tmp_path / "out")
    path.write_text(json.dumps({**found, "done": found["done"][:3]}))
    with pytest.raises(BadRows, match="3 of 4 shards are scored; run the same rankkit score command again"):
        list(read_rows(tmp_path / "out"))
    path.write_text(json.dumps(found))
    (tmp_path / "out" / found["done"][0]["rows"]).write_text("")
    with pytest.raises(BadRows, match=r"is not what .*manifest\.json says"):
        list(read_rows(tmp_path / "out"))
    with pytest.raises(BadRows, match=r"a folder without a manifest\.json of rows"):
        list(read_rows(tmp_path / "in"))


def test_prune_drops_rows_that_no_longer_count_and_those_of_archives_that_are_gone(tmp_path):
    shards(tmp_path)
    score(["in"], "contrast", tmp_path / "out")
    archive(tmp_path / "in" / "1.tar", range(10, 15), "a green fox {}")
    (tmp_path / "in" / "3.parquet").unlink()
    (tmp_path / "in" / "0.tar").rename(tmp_path / "0.tar")  # gone as well
    for _ in range(2):
        assert score(["in"], "contrast", tmp_path / "out").stale == 5  # said by every run
    assert len(list(all_rows(tmp_path / "out"))) == 14 and len(list(read_rows(tmp_path / "out"))) == 9
    assert len(rows_in(tmp_path / "out")) == 18
    pruned = score(["in"], "contrast", tmp_path / "out", prune=True)
    assert (pruned.pruned, pruned.stale) == (5 + 4 + 5, 0)
    assert len(rows_in(tmp_path / "out")) == len(list(all_rows(tmp_path / "out"))) == 9
    taken = []
    assert score(["in"], "contrast", tmp_path / "out", prune=True, taken=taken).pruned == 0 and not taken


# --- at URLs ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["s3://bucket/in", "-o", "out.jsonl"], "shards at URLs are scored by rankkit score --engine ray"),
        (["in", "-o", "s3://bucket/out.jsonl"], "rows go to a URL with --engine ray only"),
        (["in", "-o", "out/", "--engine", "ray", "--limit", "3"], "to try some images give -o FILE"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, said, tmp_path):
    shards(tmp_path)
    done = run("score", *arguments, "-r", "contrast", cwd=tmp_path)
    assert done.returncode == 2 and said in " ".join(done.stderr.decode().split())
    assert not list(tmp_path.glob("s3*"))


def test_shards_at_a_url_are_read_there_and_rows_are_written_there(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    shards(tmp_path)
    memory = fsspec.filesystem("memory")
    memory.rm("/", recursive=True) if memory.ls("/") else None
    for path in (tmp_path / "in").rglob("*.*"):
        memory.pipe_file(f"/bucket/in/{path.relative_to(tmp_path / 'in')}", path.read_bytes())
    memory.pipe_file("/bucket/in/.hidden/9.tar", b"")
    score(["memory://bucket/in/"], RANKERS, "memory://bucket/out")
    score_here("in", RANKERS, tmp_path / "all.jsonl")
    memory.get("/bucket/out", str(tmp_path / "out"), recursive=True)
    expected = json.loads(
        json.dumps(ordered(read_rows(tmp_path / "all.jsonl"))).replace('"in/', '"memory://bucket/in/')
    )
    assert rows_in(tmp_path / "out") == expected
    taken = []
    assert score(["memory://bucket/in"], RANKERS, "memory://bucket/out", taken=taken).reused == 54
    assert not taken


def test_a_file_url_is_a_path_of_this_machine(tmp_path):
    shards(tmp_path)
    score([f"file://{tmp_path}/in"], ["contrast"], tmp_path / "out")
    score_here(tmp_path / "in", "contrast", tmp_path / "all.jsonl")
    assert rows_in(tmp_path / "out") == ordered(read_rows(tmp_path / "all.jsonl"))


def test_a_url_that_cannot_be_read_says_what_to_do(tmp_path, monkeypatch):
    pytest.importorskip("fsspec")
    with pytest.raises(UsageError, match="memory://nothing: no such file or folder"):
        score(["memory://nothing"], ["contrast"], tmp_path / "out")
    with pytest.raises(UsageError, match="Protocol not known.*give a path, or a URL such as s3://"):
        score(["floppy://a/b"], ["contrast"], tmp_path / "out")
    for scheme, package in (("s3", "s3fs"), ("gs", "gcsfs")):
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(UsageError, match=rf"{scheme}:// needs a package .*: pip install {package}"):
            score([f"{scheme}://bucket/in"], ["contrast"], tmp_path / "out")
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(UsageError, match="pip install fsspec s3fs"):
        score(["s3://bucket/in"], ["contrast"], tmp_path / "out")

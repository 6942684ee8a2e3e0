import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.errors import BadSource, UsageError
from rankkit.io import records
from rankkit.io.preferences import Preference, open_preferences

PAIR = {"prompt": "p", "image_a": "a.png", "image_b": "b.png", "choice": "a"}
RANKED = {"prompt": "p", "image_path": ["a.png", "b.png"], "rank": [1, 2]}


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def entries(path):
    return list(open_preferences(path).entries())


def test_pairs_are_told_better_first_and_ties_and_missing_ranks_apart():
    entry = Preference("entry 1", "p", ("a", "b", "c", "d"), (-2.0, -1.0, -2.0, math.nan))
    assert list(entry.decided()) == [(1, 0), (1, 2)]
    assert entry.ties() == 1


def test_every_entry_knows_its_place_in_the_file(tmp_path):
    array = written(tmp_path / "a.json", [PAIR, PAIR])
    text = written(
        tmp_path / "a.jsonl",
        b"\xef\xbb\xbf" + json.dumps(PAIR).encode() + b"\n\n" + json.dumps(PAIR).encode(),
    )
    pq.write_table(pa.Table.from_pylist([PAIR, PAIR]), tmp_path / "a.parquet")
    assert [entry.where for entry in entries(array)] == ["entry 1", "entry 2"]
    assert [entry.where for entry in entries(text)] == ["line 1", "line 3"]
    assert [entry.where for entry in entries(tmp_path / "a.parquet")] == ["row 1", "row 2"]


def test_the_suffix_does_not_matter_and_content_decides(tmp_path):
    assert open_preferences(written(tmp_path / "x.txt", [RANKED])).format.name == "HPDv2 test"
    assert open_preferences(written(tmp_path / "y.parquet", [PAIR])).format.name == "plain pairs"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank": [1]}, "not a list of 2 numbers"),
        ({"rank": "12"}, "not a list of 2 numbers"),
        ({"rank": [1, "2"]}, "rank holds '2'"),
        ({"rank": [True, False]}, "rank holds True"),
        ({"rank": [1, math.nan]}, "rank holds nan"),
        ({"rank": [1, math.inf]}, "rank holds inf"),
        ({"rank": [1, 10**400]}, "rank holds 1000"),
        ({"image_path": []}, "not a list of images"),
        ({"image_path": "a.png"}, "not a list of images"),
        ({"image_path": ["a.png", 7]}, "holds 7, not an image"),
        ({"prompt": ["p"]}, r"its prompt is \['p'\]"),
    ],
)
def test_an_entry_that_breaks_its_format_is_named_with_its_value(tmp_path, change, words):
    path = written(tmp_path / "t.json", [RANKED, {**RANKED, **change}])
    with pytest.raises(
        BadSource, match=rf"t.json, entry 2: .*{words}.*correct or remove this entry \(HPDv2 test\)"
    ):
        entries(path)


@pytest.mark.parametrize("choice", ["c", "", 2, -1, True, [], {}, "1"])
def test_a_choice_that_is_none_is_named(tmp_path, choice):
    with pytest.raises(BadSource, match="entry 1: its choice is"):
        entries(written(tmp_path / "t.json", [{**PAIR, "choice": choice}]))


def test_an_entry_of_another_format_is_named_with_what_it_lacks(tmp_path):
    with pytest.raises(BadSource, match="entry 2: it has no image_a, image_b, choice"):
        entries(written(tmp_path / "t.json", [PAIR, RANKED]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"  \n ", "begins with"),
        (b"[]", "holds no entries"),
        (b"hello", "begins with b'hello'"),
        (b"\x89PNG\r\n\x1a\n", "begins with"),
        (b"PAR1 and nothing else", "parquet"),
        (b"[1, 2]", "entry 1 is int, not an object"),
        (b'{"a": 1}\n[2]', "fields 'a' fit no known format"),
        (b'[{"a": 1}]', "fit no known format .*HPDv3: path1, path2"),
        (b'[{"prompt": "p"', "entry 1 is not complete JSON"),
        (b"{\n", "line 1 is not JSON"),
        (b'[{"a": "\xff"}]', "not UTF-8 text"),
        (b'[{"a": ' + b"[" * 200_000, "nested too deeply|not complete JSON"),
    ],
)
def test_a_file_that_is_none_of_choices_is_refused_with_a_next_step(tmp_path, content, words):
    with pytest.raises(BadSource, match=words) as error:
        entries(written(tmp_path / "t.json", content))
    assert ("t.json" in str(error.value) and "give" in str(error.value)) or "(" in str(error.value)


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_torn_array_is_an_error_and_not_a_shorter_one(tmp_path, cut):
    whole = json.dumps([PAIR, PAIR]).encode()
    with pytest.raises(BadSource, match="not complete JSON"):
        entries(written(tmp_path / "t.json", whole[:-cut]))


def test_a_missing_file_and_a_folder_are_bad_usage(tmp_path):
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(UsageError, match="no such file"):
            open_preferences(path)


def test_a_parquet_file_without_known_columns_is_shown_its_own(tmp_path):
    pq.write_table(pa.table({"left": ["a"], "right": ["b"]}), tmp_path / "t.parquet")
    with pytest.raises(BadSource, match="fields 'left', 'right' fit no known format"):
        open_preferences(tmp_path / "t.parquet")


def test_a_truncated_parquet_file_is_named(tmp_path):
    pq.write_table(pa.Table.from_pylist([PAIR]), tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(BadSource, match=r"t\.parquet.*cannot be read as parquet"):
        entries(written(tmp_path / "t.parquet", data[: len(data) // 2]))


def test_embedded_images_are_left_out_when_only_counting(tmp_path):
    row = {"caption": "p", "jpg_0": b"x", "jpg_1": b"y", "label_0": 1.0}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    choices = open_preferences(tmp_path / "t.parquet")
    assert [entry.images for entry in choices.entries(images=False)] == [(None, None)]
    assert [entry.images for entry in choices.entries()] == [(b"x", b"y")]


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(st.text(max_size=8), st.text(max_size=60) | st.lists(st.integers(), max_size=4)),
        max_size=8,
    ),
    st.data(),
)
def test_an_array_is_read_alike_in_chunks_of_any_size(tmp_path_factory, values, data):
    path = tmp_path_factory.mktemp("s") / "x.json"
    path.write_text(
        json.dumps(
            values, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.none() | st.integers(0, 2))
        ),
        "utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "CHUNK", data.draw(st.integers(1, 50)))
        assert [record for _, record in records.stream(path, ())(True)] == values


def test_an_array_larger_than_memory_should_hold_is_streamed(tmp_path):
    import tracemalloc

    path = tmp_path / "big.json"
    with open(path, "w") as file:
        file.write("[" + ",".join(json.dumps({**PAIR, "prompt": "p" * 1000}) for _ in range(20_000)) + "]")
    tracemalloc.start()
    count = sum(1 for _ in open_preferences(path).entries())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000 and peak < 2_000_000


# --- what people bring ---

PICK = {"caption": "p", "jpg_0": {"bytes": b"x", "path": None}, "jpg_1": {"bytes": b"y", "path": None}}


def test_images_as_the_datasets_library_stores_them_are_read(tmp_path):
    pq.write_table(pa.Table.from_pylist([{**PICK, "label_0": 1.0}]), tmp_path / "t.parquet")
    (entry,) = entries(tmp_path / "t.parquet")
    assert entry.images == (b"x", b"y") and entry.human == (1.0, 0.0)


@pytest.mark.parametrize("change", [{"has_label": False}, {"label_0": None}, {"label_0": math.nan}])
def test_a_row_without_a_verdict_has_no_opinion(tmp_path, change):
    rows = [
        {**PICK, "label_0": 1.0, "has_label": True},
        {**PICK, "label_0": 0.0, "has_label": True, **change},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    assert [list(entry.decided()) for entry in entries(tmp_path / "t.parquet")] == [[(0, 1)], []]


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize(
    "chosen, rejected", [("chosen", "rejected"), ("image_w", "image_l"), ("win", "lose")]
)
def test_pairs_of_dpo_are_read_under_the_names_that_are_in_use(tmp_path, suffix, chosen, rejected):
    row = {"prompt": "p", chosen: "a.png", rejected: {"path": "b.png"}}
    path = tmp_path / f"t.{suffix}"
    path.write_text(json.dumps([row]) if suffix == "json" else json.dumps(row) + "\n")
    (entry,) = entries(path)
    assert entry.images == ("a.png", "b.png") and entry.human == (1.0, 0.0)


def shard(folder, name, *prompts):
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{**PAIR, "prompt": prompt} for prompt in prompts]), folder / name)


def test_a_folder_of_shards_is_read_in_the_order_of_their_names(tmp_path):
    shard(tmp_path / "data", "train-00001-of-00002.parquet", "three")
    shard(tmp_path / "data", "train-00000-of-00002.parquet", "one", "two")
    file = open_preferences(tmp_path / "data")
    assert [entry.prompt for entry in file.entries()] == ["one", "two", "three"]
    assert [entry.where for entry in file.entries()][::2] == [
        "train-00000-of-00002.parquet, row 1",
        "train-00001-of-00002.parquet, row 1",
    ]
    assert file.root == tmp_path / "data"


def test_shards_of_several_splits_are_refused_by_name(tmp_path):
    for split in ("train", "test"):
        shard(tmp_path / "data", f"{split}-00000-of-00001.parquet", "one")
    with pytest.raises(UsageError, match=r"several splits \(test, train\)"):
        open_preferences(tmp_path / "data")


def test_a_shard_of_another_format_is_named_with_its_row(tmp_path):
    shard(tmp_path / "data", "a.parquet", "one")
    pq.write_table(pa.Table.from_pylist([RANKED]), tmp_path / "data" / "b.parquet")
    with pytest.raises(BadSource, match=r"data, b\.parquet, row 1: it has no image_a"):
        entries(tmp_path / "data")


def test_a_file_in_no_known_format_is_shown_as_its_first_row_was_read(tmp_path):
    row = {"left": {"bytes": b"12345", "path": None}, "right": "r.png", "score": 0.5, "note": "x" * 99}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    with pytest.raises(BadSource) as refused:
        open_preferences(tmp_path / "t.parquet")
    said = str(refused.value)
    assert "left = {bytes: 5 bytes, path: None}, right = 'r.png', score = 0.5, note = 'xxx" in said
    assert "\n" not in said and "x" * 50 not in said


def mmrb2_pair(chosen="A", prompt=(("text", "a fox"),), first=(("image", "images/p_a_0.jpg"),)):
    return {
        "id": "p", "prompt_content": [list(part) for part in prompt], "prompt_source": "wise",
        "prompt_metadata": {"id": 7}, "chosen": chosen, "human_annotations": [6, 5, 5],
        "response_a": {"model_name": "x", "response_content": [list(part) for part in first]},
        "response_b": {"model_name": "y", "response_content": [["image", "images/p_b_0.jpg"]]},
    }  # fmt: skip


def test_multimodal_rewardbench_2_is_read_as_it_is_built(tmp_path):
    path = written(tmp_path / "t2i.json", {"pairs": [mmrb2_pair(), mmrb2_pair("B")]})
    assert open_preferences(path).format.name == "MMRB2"
    first, second = entries(path)
    assert (first.prompt, first.images) == ("a fox", ("images/p_a_0.jpg", "images/p_b_0.jpg"))
    assert (first.where, list(first.decided()), list(second.decided())) == ("entry 1", [(0, 1)], [(1, 0)])


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (mmrb2_pair(prompt=(("image", "in.jpg"), ("text", "make it red"))), "no text-to-image pair"),
        (mmrb2_pair(first=(("text", "look"), ("image", "a.jpg"))), "response_a is not one image"),
        (mmrb2_pair("tie"), "chosen is 'tie', not A or B"),
        ({**mmrb2_pair(), "prompt_content": "a fox"}, "prompt_content is 'a fox', not a list"),
        (
            {name: value for name, value in mmrb2_pair().items() if name != "prompt_content"},
            "it has no prompt_content.*build_from_hf.py",
        ),
    ],
)
def test_what_is_no_text_to_image_pair_of_mmrb2_is_refused_in_words(tmp_path, pair, words):
    with pytest.raises(BadSource, match=words):
        entries(written(tmp_path / "x.json", {"pairs": [pair]}))


def test_votes_of_genai_bench_are_read_and_both_bad_is_a_tie(tmp_path):
    sides = {"left_model": "a", "right_model": "b", "left_image": {"bytes": b"1", "path": None}}
    votes = ("leftvote", "rightvote", "tievote", "bothbad_vote")
    rows = [{"prompt": "p", **sides, "right_image": {"bytes": b"2"}, "vote_type": vote} for vote in votes]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = entries(tmp_path / "a.parquet")
    assert found[0].images == (b"1", b"2")
    assert [list(entry.decided()) for entry in found] == [[(0, 1)], [(1, 0)], [], []]
    assert [entry.ties() for entry in found] == [0, 0, 1, 1]
    wrong = {"prompt": "p", "left_image": "a", "right_image": "b", "vote_type": "left"}
    with pytest.raises(BadSource, match="vote_type is 'left', not leftvote"):
        entries(written(tmp_path / "b.json", [wrong]))


def test_ratings_of_genai_bench_order_the_models_images_by_their_mean(tmp_path):
    rated = {"prompt": "p", "models": {"DALLE_3": [5, 4, 4], "SDXL_Base": [2, 3, 3], "SDXL_Turbo": [3, 3, 2]}}
    path = written(tmp_path / "genai_image.json", {"00000": rated, "00001": {**rated, "prompt": "q"}})
    first, second = entries(path)
    assert first.images == ("DALLE_3/00000.jpeg", "SDXL_Base/00000.jpeg", "SDXL_Turbo/00000.jpeg")
    assert (list(first.decided()), first.ties(), second.prompt) == ([(0, 1), (0, 2)], 1, "q")
    for models, words in (({}, "models is {}"), ({"A": []}, "without ratings"), ({"A": ["5"]}, "holds '5'")):
        with pytest.raises(BadSource, match=words):
            entries(written(tmp_path / "bad.json", {"00000": {"prompt": "p", "models": models}}))


def test_ratings_of_single_images_are_refused_with_the_way_to_pairs(tmp_path):
    (tmp_path / "train.tfrecord").write_bytes(b"\x10\0\0\0\0\0\0\0abcd")
    rated = {"filename": "a.png", "artifact_score": 0.5, "misalignment_score": 1.0, "overall_score": 0.75}
    for path in (tmp_path / "train.tfrecord", written(tmp_path / "a.jsonl", rated)):
        with pytest.raises(
            BadSource, match="RichHF-18K rates images one by one.*image_a, image_b and choice"
        ):
            entries(path)


def test_an_object_of_pairs_that_is_cut_off_is_refused(tmp_path):
    path = written(tmp_path / "t2i.json", json.dumps({"pairs": [mmrb2_pair()]}).encode()[:-9])
    with pytest.raises(BadSource, match="t2i.json"):
        entries(path)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (
            {"caption": "a", "jpg_0": "a.png", "jpg_1": "b.png", "label_0": 1, "label_1": 1},
            "label_0 is 1 and label_1 1, which together are not 1",
        ),
        ({"prompt": "a", "chosen": "a.png", "rejected": "a.png"}, "'a.png' is chosen and rejected"),
        (
            {"prompt": "a", "chosen": [{"role": "assistant", "content": "x"}], "rejected": "b.png"},
            "chosen holds {role: 'assistant', content: 'x'}, not an image",
        ),
    ],
)
def test_a_choice_that_contradicts_itself_or_is_about_no_images_is_named(tmp_path, record, words):
    (tmp_path / "p.jsonl").write_text(json.dumps(record))
    with pytest.raises(BadSource, match=words):
        list(open_preferences(tmp_path / "p.jsonl").entries())

"""Every reader of strangers' files, given real examples that were changed or broken: a prompt that the file
holds as its prompt, or none; an error in words, or none; an end, soon.

Every value of the examples that is no prompt bears a mark, which no prompt may show. A few thousand inputs
here; more than a hundred thousand with ``-m slow``.
"""

import copy
import io
import json
import os
import random
import tarfile
import tracemalloc

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_places import chosen_place
from prompt_files import look, png, put

from rankkit.errors import RankkitError
from rankkit.io.preferences import open_preferences
from rankkit.io.prompt_lists import read_prompts

pytestmark = pytest.mark.usefixtures("here")

FEW, MANY = range(120), range(120, 4_120)
sizes = pytest.mark.parametrize(
    "seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)
PROMPTS = ["a red fox", "two blue birds", "café — naß 猫"]
MARK = "NOT-A-PROMPT"
IMAGES = ["0.png", "1.png", "sub/2.png"]


# --- examples: a path and the bytes of a file beside the images ---

RECORDS = [
    {"file_name": name, "text": prompt, "negative_prompt": MARK, "title": MARK, "seed": 7, "tags": [MARK]}
    for name, prompt in zip(IMAGES, PROMPTS, strict=True)
]
COCO = {
    "info": {"description": MARK},
    "images": [{"id": i, "file_name": name, "flickr_url": MARK} for i, name in enumerate(IMAGES)],
    "annotations": [{"id": 9 - i, "image_id": i, "caption": text} for i, text in enumerate(PROMPTS)],
    "licenses": [{"name": MARK}],
}
GENEVAL = {"tag": MARK, "include": [{"class": MARK, "count": 1}], "prompt": PROMPTS[0]}
A1111 = f"{PROMPTS[0]}\nNegative prompt: {MARK}, blurry\nSteps: 20, Sampler: Euler, Seed: 1, Model: {MARK}"


def table(sign):
    rows = [[r["file_name"], r["text"], MARK, "7"] for r in RECORDS]
    lines = [["file_name", "text", "title", "seed"], *rows]
    return "".join(sign.join(f'"{cell}"' for cell in row) + "\r\n" for row in lines)


def parquet(inside):
    records = [{**record, "image": {"bytes": png(i), "path": MARK}} for i, record in enumerate(RECORDS)]
    named = [{**{k: v for k, v in r.items() if k != "image"}} for r in records]
    columns = [{k: v for k, v in r.items() if k != "file_name"} for r in records] if inside else named
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(columns), buffer, compression="none")
    return buffer.getvalue()


def archive():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for i, prompt in enumerate(PROMPTS):
            texts = {"json": json.dumps({"caption": prompt, "url": MARK})} if i else {"txt": prompt}
            for suffix, data in {"png": png(i), **{k: v.encode() for k, v in texts.items()}}.items():
                header = tarfile.TarInfo(f"{i}.{suffix}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


EXAMPLES = {
    "jsonl": ("d/metadata.jsonl", "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in RECORDS)),
    "csv": ("d/metadata.csv", table(",")),
    "tsv": ("d/metadata.tsv", table("\t")),
    "json": ("d/captions.json", json.dumps({r["file_name"]: r for r in RECORDS})),
    "list": ("d/prompts.json", json.dumps(RECORDS)),
    "coco": ("d/captions_val.json", json.dumps(COCO)),
    "parquet": ("d/metadata.parquet", parquet(inside=False)),
    "cells": ("d/t.parquet", parquet(inside=True)),
    "tar": ("d/0.tar", archive()),
    "sidecar": ("d/0.txt", f"{PROMPTS[0]}\n{PROMPTS[1]}\n"),
    "a1111": ("d/0.txt", A1111),
    "sidecar json": ("d/0.json", json.dumps({"caption": PROMPTS[0], "title": MARK})),
    "prompt.txt": ("d/prompt.txt", "\n".join(PROMPTS[:2])),
    "geneval": ("d/00000/metadata.jsonl", json.dumps(GENEVAL)),
    "hps": ("d/sub.json", json.dumps(["x", "y", PROMPTS[2]])),
}


def encoded(content):
    return content.encode() if isinstance(content, str) else content


def folder():
    put({**{f"d/{name}": None for name in IMAGES}, "d/00000/samples/0.png": None})


def found(**options):
    """The prompts of the folder, and every image read; or what its error says."""
    try:
        survey = look(**options)
        items = list(survey.items())
        assert all(isinstance(item.read(), (bytes, str)) for item in items)
        assert list(survey.findings()) and survey.notes is not None
        return items
    except RankkitError as error:
        assert str(error)
        return []


def test_every_example_is_read_as_its_prompts():
    for name, (path, content) in EXAMPLES.items():
        folder()
        put({path: encoded(content)})
        assert {item.prompt for item in found()} & set(PROMPTS), name
        os.unlink(path)


# --- what is changed ---


def broken(rng, data):
    """Bytes with some replaced, put in, doubled, left out, moved, or cut off."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        end = min(end, start + rng.choice([1, 8, 600]))
        change = rng.randrange(6)
        if change == 0:
            del data[start:end]
        elif change == 1:
            data[start:start] = data[start:end]
        elif change == 2:
            data[start:end] = bytes(rng.randrange(256) for _ in range(end - start))
        elif change == 3:
            data[start:start] = rng.choice(ODD)
        elif change == 4:
            data = data[: rng.choice([end, len(data)])]
        elif data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


ODD = [
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\r", b"\n\n", b'"', b"'", b"\\", b",", b";", b"\t", b"{", b"}"),
    *(b"[", b"]", b":", b"null", b"NaN", b"1e999", b"-", b"9" * 5000, b"[" * 2000, b'{"a":' * 2000, b"\x1a"),
    *(b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\\ud800", b"sep=;\n", b"true", b"<html>", b"version https://git-"),
]


@pytest.mark.parametrize("name", EXAMPLES)
@sizes
def test_a_broken_file_ends_in_words_or_in_prompts_and_never_in_a_traceback(name, seeds):
    path, content = EXAMPLES[name]
    whole = encoded(content)
    folder()
    for seed in seeds:
        rng = random.Random(f"{name} {seed}")
        with open(path, "wb") as file:
            file.write(broken(rng, whole))
        assert all(isinstance(item.prompt, str) for item in found()), (name, seed)


RUBBISH = [None, 3, -1.5, True, 1e400, float("nan"), "", [], {}, [[[]]], {"a": {}}, [None], MARK, [MARK]]


def changed(rng, value):
    """A JSON value with things deleted, renamed or of another type; a prompt is never put elsewhere."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        place = chosen_place(rng, value)
        if place is None:
            break
        way, holder, last = place
        change = rng.randrange(4)
        prompt = not way or last in ("text", "caption", "prompt") or isinstance(holder, list)
        rubbish = copy.deepcopy(rng.choice(RUBBISH[: -2 if prompt else None]))
        if change == 0:
            del holder[last]
        elif change == 1:
            holder[last] = rubbish
        elif change == 2 and isinstance(holder, dict):
            holder[f"{last}_{MARK}"] = holder.pop(last)
        elif change == 3 and isinstance(holder, dict):
            holder[rng.choice(["note", "title", "id", "group", "negative", "x"])] = rubbish
    return value


JSON_EXAMPLES = {
    "jsonl": ("d/metadata.jsonl", RECORDS),
    "json": ("d/captions.json", {r["file_name"]: r for r in RECORDS}),
    "list": ("d/prompts.json", RECORDS),
    "coco": ("d/captions_val.json", COCO),
    "geneval": ("d/00000/metadata.jsonl", GENEVAL),
    "sidecar json": ("d/0.json", {"caption": PROMPTS[0], "title": MARK, "tags": [MARK]}),
}


def written(path, value):
    if path.endswith("metadata.jsonl") and isinstance(value, list):
        return "".join(json.dumps(each) + "\n" for each in value)
    return json.dumps(value)


@pytest.mark.parametrize("name", JSON_EXAMPLES)
@sizes
def test_values_of_other_types_and_other_names_never_make_a_prompt_of_what_is_none(name, seeds):
    path, value = JSON_EXAMPLES[name]
    folder()
    for seed in seeds:
        rng = random.Random(f"{name} {seed}")
        put({path: written(path, changed(rng, value))})
        for item in found():
            assert item.prompt in ("", *PROMPTS), (name, seed, item)


@sizes
def test_members_of_an_archive_in_any_order_under_any_names_keep_their_own_prompts(seeds):
    for seed in seeds:
        rng = random.Random(seed)
        stems = rng.sample(["a", "b", "a.b", "x/a", "x/b.c", "A", "a (1)", "é", "7"], 3)
        members = [(f"{stem}.png", None) for stem in stems]
        members += [(f"{stem}.{rng.choice(['txt', 'caption', 'TXT'])}", stem) for stem in stems]
        rng.shuffle(members)
        folder = f"{seed}.tar"
        with tarfile.open(folder, "w", format=rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])) as tar:
            for name, content in members:
                data = png() if content is None else content.encode()
                header = tarfile.TarInfo(name)
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
        for item in look(folder).items():
            assert item.prompt == item.name.removeprefix(f"{folder}/").removesuffix(".png"), (seed, item)
        os.unlink(folder)


# --- preferences, and lists of prompts ---

PAIRS = [
    {"caption": PROMPTS[0], "image_0_uid": MARK, "path1": "0.png", "path2": "1.png", "model1": MARK},
    {"prompt": PROMPTS[1], "image_path": ["0.png", "1.png"], "rank": [1, 2], "title": MARK},
    {"prompt": PROMPTS[0], "image_a": "0.png", "image_b": "1.png", "choice": "a", "note": MARK},
    {"prompt": PROMPTS[2], "chosen": "0.png", "rejected": ["1.png"], "negative": MARK},
    {"prompt": PROMPTS[0], "generations": ["0.png"], "ranking": [1], "id": MARK},
]


def preferred(path):
    try:
        opened = open_preferences(path)
        for entry in opened.entries():
            assert isinstance(entry.prompt, str) and len(entry.images) == len(entry.human)
            for image in entry.images:
                opened.image(image)
            yield entry
    except RankkitError as error:
        assert str(error)


@sizes
def test_broken_preferences_end_in_words_and_hold_no_prompt_that_is_none(seeds):
    put({"0.png": None, "1.png": None})
    for seed in seeds:
        rng = random.Random(seed)
        record = rng.choice(PAIRS)
        put({"p.jsonl": written("metadata.jsonl", changed(rng, [record] * 2))})
        assert all(entry.prompt in ("", *PROMPTS) for entry in preferred("p.jsonl")), seed
        put({"p.json": broken(rng, json.dumps([record] * 2).encode())})
        list(preferred("p.json"))


LISTS = {
    "p.txt": "\n".join(PROMPTS),
    "p.jsonl": "".join(json.dumps({"prompt": p, "style": MARK, "id": 1}) + "\n" for p in PROMPTS),
    "p.json": json.dumps(PROMPTS),
    "q.json": json.dumps([{"prompt": p, "negative_prompt": MARK} for p in PROMPTS]),
    "p.csv": "prompt,style\n" + "".join(f'"{p}",{MARK}\n' for p in PROMPTS),
    "p.tsv": "style\tprompt\n" + "".join(f"{MARK}\t{p}\n" for p in PROMPTS),
}


@pytest.mark.parametrize("name", LISTS)
@sizes
def test_broken_lists_of_prompts_end_in_words_or_in_prompts(name, seeds):
    for seed in seeds:
        rng = random.Random(f"{name} {seed}")
        put({name: broken(rng, LISTS[name].encode())})
        try:
            for prompt, metadata in read_prompts(name):
                assert isinstance(prompt, str) and isinstance(metadata, dict)
        except RankkitError as error:
            assert str(error)


# --- anything at all ---

KEYS = st.sampled_from(
    [
        "0.png",
        "file_name",
        "image",
        "images",
        "text",
        "prompt",
        "caption",
        "id",
        "group",
        "annotations",
        "data",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*IMAGES, *PROMPTS, ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        ["d/metadata.jsonl", "d/captions.json", "d/0.json", "d/00000/metadata.jsonl", "d/sub.json"]
    ),
    VALUES,
)
def test_any_json_in_any_place_ends_in_a_text_that_it_holds_or_in_words(path, value):
    folder()
    text = json.dumps(value)
    put({path: text})
    for item in found() + found(prompts=path):
        assert not item.prompt or json.dumps(item.prompt)[1:-1] in text, item
    os.unlink(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["d/metadata.csv", "d/metadata.tsv", "d/0.txt", "d/prompt.txt"]), st.binary(max_size=80)
)
def test_any_bytes_in_any_place_end_in_words(path, data):
    folder()
    put({path: data})
    found()
    found(prompts=path)
    os.unlink(path)


def test_a_small_file_needs_little_memory_whatever_it_claims():
    folder()
    tracemalloc.start()
    for name, (path, content) in EXAMPLES.items():
        for seed in range(4):
            put({path: broken(random.Random(f"{name} {seed}"), encoded(content))})
            found()
        os.unlink(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20

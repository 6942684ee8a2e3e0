"""What people's folders, tables and archives look like: every prompt right or absent, every image a row."""

import json
import os
import subprocess
import sys
import tarfile

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from prompt_files import A1111, look, png, prompts, put, why
from score_runs import rows, score

from rankkit.errors import BadSource, UsageError
from rankkit.io.prompts import survey

pytestmark = pytest.mark.usefixtures("here")


SWARM = json.dumps({"sui_image_params": {"prompt": "a red apple", "negativeprompt": "blurry"}})


# --- text files beside the images ---


@pytest.mark.parametrize("name", ["a.txt", "a.TXT", "A.txt", "a.png.txt", "a.caption", "a.png.caption"])
def test_a_text_file_beside_an_image_may_be_called_in_several_ways(name):
    put({"d/a.png": None, f"d/{name}": "a red apple\n"})
    assert prompts() == {"a.png": "a red apple"}


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_a_text_file_beside_an_image_may_be_in_any_coding(coding):
    put({"d/a.png": None, "d/a.txt": "a café — “red”".encode(coding)})
    assert prompts() == {"a.png": "a café — “red”"}


def test_a_text_file_of_another_coding_gives_no_prompt_and_says_why():
    put({"d/a.png": None, "d/a.txt": "赤いリンゴ".encode("shift-jis")})
    assert prompts() == {"a.png": ""}
    assert "a.txt" in why()["a.png"] and "save it as UTF-8" in why()["a.png"]


@pytest.mark.parametrize(("text", "plain"), [(A1111, "a red apple, ripe"), (SWARM, "a red apple")])
def test_what_a_program_wrote_beside_an_image_is_read_in_its_own_form(text, plain):
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": plain}


def test_json_of_no_known_program_beside_an_image_is_no_prompt():
    put({"d/a.png": None, "d/a.txt": '{"seed": 1, "title": "a red apple"}'})
    assert prompts() == {"a.png": ""} and "JSON of no known program" in why()["a.png"]


def test_lines_beside_an_image_are_alternative_captions():
    put({"d/a.png": None, "d/a.txt": "a red apple\n\nfruit on a table\n"})
    assert [item.captions for item in look().items()] == [2]
    assert prompts() == {"a.png": "a red apple"}
    assert [item.prompt for item in look(captions="all").items()] == ["a red apple", "fruit on a table"]
    (one,) = prompts(captions="random").values()
    assert one in ("a red apple", "fruit on a table") and prompts(captions="random") == {"a.png": one}


def test_img2dataset_writes_captions_as_json_beside_the_images():
    put({"d/00000.jpg": None, "d/00000.json": '{"caption": "a red apple", "url": "http://x", "width": 4}'})
    (item,) = look().items()
    assert item.prompt == "a red apple" and item.metadata == {"url": "http://x", "width": 4}


# --- lists of prompts ---


def test_a_prompt_txt_of_many_lines_is_a_list_by_the_order_of_the_images():
    put({"d/prompt.txt": "red one\nred two\n", "d/img10.png": None, "d/img9.png": None})
    assert prompts() == {"img9.png": "red one", "img10.png": "red two"}
    put({"d/img11.png": None})
    assert set(prompts().values()) == {""}
    assert "a list of 2 prompts, and there are 3 images" in why()["img9.png"]


def test_a_list_may_be_called_prompts_txt_too():
    put({"d/prompts.txt": "red one\nred two\n", "d/0.png": None, "d/1.png": None})
    assert prompts() == {"0.png": "red one", "1.png": "red two"}


def test_kohyas_sample_images_have_the_prompt_of_their_number():
    lines = "# samples\na red apple --n blurry --w 512\na blue bird --n blurry\n"
    names = [f"d/last_e00000{epoch}_0{number}_20240101120000.png" for epoch in (1, 2) for number in (0, 1)]
    put({"d/prompt.txt": lines, **dict.fromkeys(names)})
    assert list(prompts().values()) == ["a red apple", "a blue bird"] * 2


def test_texts_beside_the_images_go_before_a_list_of_prompts():
    put({"d/prompt.txt": "one\ntwo", "d/a.png": None, "d/b.png": None, "d/b.txt": "b's own"})
    assert prompts() == {"a.png": "one", "b.png": "b's own"}


def test_prompts_may_be_a_text_file_with_a_line_for_each_image_in_natural_order():
    put({"p.txt": "one\r\ntwo\r\nthree", "d/10.png": None, "d/9.png": None, "d/1.png": None})
    assert prompts("d", prompts="p.txt") == {"1.png": "one", "9.png": "two", "10.png": "three"}
    put({"d/11.png": None})
    with pytest.raises(BadSource, match="3 prompts and there are 4 images"):
        look("d", prompts="p.txt")


def test_a_table_of_prompts_without_names_goes_by_a_column_that_holds_the_images_names():
    put({"p.csv": "item_id,text,kind\nb,a blue bird,x\na,a red apple,y\n", "d/a.png": None, "d/b.png": None})
    assert prompts("d", prompts="p.csv") == {"a.png": "a red apple", "b.png": "a blue bird"}
    put({"n.tsv": "Prompt\tid\nten\t10\ntwo\t2\n", "n/00002.png": None, "n/00010.png": None})
    assert prompts("n", prompts="n.tsv") == {"n/00002.png": "two", "n/00010.png": "ten"}


def test_a_table_of_prompts_without_any_names_goes_by_order_or_is_refused():
    put({"p.tsv": "Prompt\tCategory\none\tx\ntwo\ty\n", "d/0.png": None, "d/1.png": None})
    found = list(look("d", prompts="p.tsv").items())
    assert [item.prompt for item in found] == ["one", "two"]
    assert [item.metadata for item in found] == [{"Category": "x"}, {"Category": "y"}]
    put({"d/2.png": None})
    with pytest.raises(BadSource, match="2 prompts and there are 3 images"):
        look("d", prompts="p.tsv")


# --- what --prompts is used for ---


def test_prompts_that_fit_no_image_are_refused_rather_than_left_aside():
    put({"d/a.png": None, "texts/zzz.txt": "a red apple"})
    with pytest.raises(BadSource, match="none of its .txt files is called as an image"):
        look("d", prompts="texts")


@pytest.mark.parametrize("path", ["x.tar", "m.jsonl"])
def test_prompts_beside_what_holds_its_own_are_refused(path):
    put({"a.png": None, "m.jsonl": '{"image": "a.png"}', "p.txt": "x"})
    with tarfile.open("x.tar", "w") as archive:
        archive.add("a.png")
    with pytest.raises(UsageError, match="would not be used"):
        survey([path], prompts="p.txt")


# --- parquet with the images inside ---


def test_a_parquet_file_that_is_written_anew_is_read_anew():
    for seeds in ([1, 2], [3, 4, 5]):
        pyarrow.parquet.write_table(pyarrow.table({"image": [png(seed) for seed in seeds]}), "t.parquet")
        assert [item.read() for item in look("t.parquet").items()] == [png(seed) for seed in seeds]


@pytest.mark.parametrize("kind", ["struct", "bytes"])
def test_images_inside_a_parquet_file_are_read_row_by_row(kind):
    cells = [png(i) if kind == "bytes" else {"bytes": png(i), "path": f"{i}.png"} for i in range(70)]
    table = pyarrow.Table.from_pylist(
        [{"image": cell, "text": f"number {i}", "style": "s"} for i, cell in enumerate(cells)]
    )
    os.mkdir("d")
    pyarrow.parquet.write_table(table, "d/t.parquet", row_group_size=20)
    for paths in (["d"], ["d/t.parquet"]):
        found = list(look(*paths).items())
        assert [item.prompt for item in found] == [f"number {i}" for i in range(70)]
        assert [item.read() for item in found] == [png(i) for i in range(70)]
        assert [found[i].read() for i in (63, 5, 41, 5)] == [png(i) for i in (63, 5, 41, 5)]
    assert found[3].metadata == {"style": "s"} and found[3].name == "d/t.parquet/000003"


def test_an_empty_cell_of_a_parquet_file_is_a_row_with_its_reason():
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    images = pyarrow.array([{"bytes": png(), "path": "a"}, {"bytes": None, "path": "b"}, None], kind)
    table = pyarrow.table({"image": images, "prompt": ["x", "y", "z"]})
    pyarrow.parquet.write_table(table, "t.parquet")
    score("t.parquet", "sharpness", "o.jsonl")
    assert [row["error"] for row in rows("o.jsonl")] == [None] + ["the cell holds no image"] * 2


# --- benchmarks ---


def test_geneval_samples_count_whatever_they_are_called_and_contact_sheets_do_not():
    put({f"d/0000{i}/metadata.jsonl": json.dumps({"prompt": f"prompt {i}", "tag": "x"}) for i in (0, 1)})
    put(dict.fromkeys(["d/00000/samples/0000.png", "d/00000/samples/0001.PNG", "d/00000/samples/s_3.jpg"]))
    put(dict.fromkeys(["d/00000/grid.png", "d/00001/0000.png", "d/00001/grid.png", "d/extra/0.png"]))
    assert prompts() == {
        "00000/samples/0000.png": "prompt 0",
        "00000/samples/0001.PNG": "prompt 0",
        "00000/samples/s_3.jpg": "prompt 0",
        "00001/0000.png": "prompt 1",
        "extra/0.png": "",
    }
    assert look().notes == ("2 contact sheets (grid.png) of GenEval folders are left out",)


def test_lists_per_style_give_prompts_by_number_and_the_style():
    put({"d/anime.json": '["anime 0", "anime 1"]', "d/photo.json": '[{"prompt": "photo 0"}]'})
    put(dict.fromkeys(["d/anime/00000.jpg", "d/anime/00001.jpg", "d/photo/00000.jpg", "d/photo/x.jpg"]))
    found = {item.name[2:]: (item.prompt, item.metadata.get("style")) for item in look().items()}
    assert found == {
        "anime/00000.jpg": ("anime 0", "anime"),
        "anime/00001.jpg": ("anime 1", "anime"),
        "photo/00000.jpg": ("photo 0", "photo"),
        "photo/x.jpg": ("", None),
    }
    (item,) = [item for item in look("d/anime").items() if item.name == "d/anime/00001.jpg"]
    assert (item.prompt, item.metadata) == ("anime 1", {"style": "anime"})


def test_a_file_name_is_a_prompt_only_where_every_name_of_samples_has_the_form():
    put({"d/samples/a green bench_000000.png": None, "d/samples/a red car_000001.png": None})
    assert set(prompts().values()) == {"a green bench", "a red car"}
    put({"d/samples/IMG_1234.png": None})
    assert set(prompts().values()) == {""}
    put({"e/holiday photo_000001.png": None})
    assert set(prompts("e").values()) == {""}


def test_a_grid_of_images_in_one_file_is_as_many_candidates():
    sheet = Image.new("RGB", (8, 8), "black")
    Image.effect_noise((4, 4), 90).convert("RGB").save("noise.png")
    sheet.paste(Image.open("noise.png"), (4, 0))
    os.mkdir("d")
    sheet.save("d/dpg 1.png")
    put({"texts/dpg 1.txt": "a red apple", "d/odd.png": png(size=(5, 4))})
    found = survey(["d"], prompts="texts", grid=(2, 2))
    assert [item.name for item in found[0].items()] == [
        f"d/{n}.png#2x2-{i}" for n in ("dpg 1", "odd") for i in (1, 2, 3, 4)
    ]
    command = [
        "rankkit",
        "score",
        "d",
        "--prompts",
        "texts",
        "--grid",
        "2x2",
        "-r",
        "sharpness",
        "-o",
        "o.csv",
    ]
    run = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert run.returncode == 3, run.stderr
    by_image = {row["image"]: row for row in rows("o.csv")}
    assert by_image["d/dpg 1.png#2x2-2"]["rank"] == 1 and by_image["d/dpg 1.png#2x2-2"]["of"] == 4
    assert "do not divide" in by_image["d/odd.png#2x2-1"]["error"]

"""Files that are not read are named, with what to do about them."""

import pytest
from prompt_files import look, prompts, put

from rankkit.errors import BadSource, UsageError

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("metadata.xlsx", "save it as .csv"),
        ("Prompts 2.ods", "save it as .csv"),
        ("captions.yaml", "write it as a table"),
        ("train/data-00000-of-00001.arrow", "to_parquet"),
    ],
)
def test_a_table_of_a_kind_that_is_not_read_is_named_with_the_way_out(name, advice):
    put({"d/a.png": None, f"d/{name}": "PK"})
    (note,) = look().notes
    assert prompts() == {"a.png": ""} and note.startswith(f"d/{name} is not read") and advice in note
    with pytest.raises(BadSource, match="save a spreadsheet as .csv, and a dataset as .parquet"):
        look(prompts=f"d/{name}")


def test_many_files_of_a_dataset_are_named_by_the_first_few():
    put({f"d/data-{number:05}.arrow": "x" for number in range(9)})
    assert len(look().notes) == 3


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "X.RAR"])
def test_a_compressed_archive_is_refused_with_what_to_do(name):
    put({name: "PK"})
    with pytest.raises(UsageError, match="not a folder.*; unpack it"):
        look(name)

"""The layouts of folders, tables and archives that tell prompts, each with an example."""

from __future__ import annotations

from file_pages import Archive, Page, Parquet

FOOOCUS_LOG = (
    "<html><title>Fooocus Log 2024-05-01</title>\n"
    '<div id="a_png" class="image-container"><hr><table><tr>\n'
    """<td><a href="a.png"><img src='a.png'/></a></td><td>"""
    "<button onclick=\"to_clipboard('%7B%22prompt%22%3A%20%22a%20red%20robot%20on%20a%20hill%22%2C%20"
    "%22performance%22%3A%20%22Speed%22%7D')\">Copy to Clipboard</button></td></tr></table></div>\n"
)

LAYOUTS = {
    "manifest": Page(
        "A table of your own",
        "manifest",
        {
            "a.png": None,
            "b.png": None,
            "/table.csv": 'file_name,prompt,seed\na.png,"a red robot, on a hill",1\nb.png,a blue robot,2\n',
        },
        {
            "Prompts without names, and another number of them than of images": {
                "a.png": None,
                "b.png": None,
                "/table.csv": "prompt\na red robot\na blue robot\na green robot\n",
            },
            "An empty cell": {
                "a.png": None,
                "/table.csv": "file_name,prompt\na.png,\n",
            },
        },
        {"prompts": "table.csv"},
        "find",
    ),
    "imagefolder": Page(
        "metadata.jsonl (imagefolder)",
        "imagefolder",
        {
            "metadata.jsonl": '{"file_name": "train/a.png", "text": "a red robot on a hill"}\n'
            '{"file_name": "train/b.png", "text": "a blue robot", "style": "noir"}\n',
            "train/a.png": None,
            "train/b.png": None,
        },
        {
            "An image that the table does not name": {
                "metadata.jsonl": '{"file_name": "a.png", "text": "a red robot on a hill"}\n',
                "a.png": None,
                "c.png": None,
            },
            "A table that is called nearly so": {
                "metadata_2.jsonl": '{"file_name": "a.png", "text": "a red robot on a hill"}\n',
                "a.png": None,
            },
        },
        reads="find",
    ),
    "parquet": Page(
        "Parquet with the images inside",
        "parquet",
        {"train-00000.parquet": Parquet({"image": [None, None], "caption": ["a red robot", "a blue robot"]})},
        {
            "An empty cell is no prompt": {
                "train-00000.parquet": Parquet({"image": [None, None], "caption": ["a red robot", ""]})
            }
        },
        reads="find",
    ),
    "geneval": Page(
        "GenEval",
        "geneval",
        {
            "00000/metadata.jsonl": '{"tag": "counting", "include": [{"class": "clock", "count": 2}], '
            '"prompt": "a photo of two clocks"}\n',
            "00000/samples/0000.png": None,
            "00000/samples/0001.png": None,
            "00000/grid.png": None,
        },
        {
            "Metadata without a prompt": {
                "00000/metadata.jsonl": '{"tag": "counting", "include": []}\n',
                "00000/samples/0000.png": None,
            }
        },
        reads="find",
    ),
    "hps": Page(
        "HPSv2's and HPSv3's benchmarks",
        "layouts.hps",
        {
            "anime.json": '["a red robot on a hill", "a blue robot"]',
            "anime/00000.jpg": None,
            "anime/00001.jpg": None,
        },
        {
            "Images that are counted from 1: the list begins with 0": {
                "anime.json": '["a red robot on a hill", "a blue robot"]',
                "anime/00001.jpg": None,
                "anime/00002.jpg": None,
            }
        },
        reads="find",
    ),
    "compbench": Page(
        "T2I-CompBench",
        "layouts.compbench",
        {"samples/a green bench_000000.png": None, "samples/a red robot_000001.png": None},
        {
            "A name of another form: then none of them is a prompt": {
                "samples/a green bench_000000.png": None,
                "samples/holiday.png": None,
            }
        },
        reads="find",
    ),
    "sidecar": Page(
        "Text files beside the images",
        "sidecar",
        {
            "cat.png": None,
            "cat.txt": "a cat on a red sofa\n",
            "dog.png": None,
            "dog.json": '{"caption": "a dog in the rain", "width": 512}',
        },
        {
            "What is no prompt": {
                "a.png": None,
                "a.txt": "nan\n",
                "b.png": None,
                "b.txt": "<!DOCTYPE html><html><body>404</body></html>\n",
                "c.png": None,
                "c.json": '{"width": 512, "height": 512}',
            }
        },
        reads="find",
    ),
    "fooocus_log": Page(
        "Fooocus's log.html",
        "layouts.fooocus_log",
        {"a.png": None, "log.html": FOOOCUS_LOG},
        {
            "A log of a version that did not write its settings as JSON": {
                "a.png": None,
                "log.html": FOOOCUS_LOG.partition("<button")[0],
            }
        },
        reads="find",
    ),
    "prompt_txt": Page(
        "prompt.txt",
        "layouts.prompt_txt",
        {
            "robot/prompt.txt": "a red robot on a hill\n",
            "robot/0.png": None,
            "robot/1.png": None,
        },
        {
            "A list of another length than the images": {
                "prompt.txt": "a red robot\na blue robot\na green robot\n",
                "a.png": None,
                "b.png": None,
            }
        },
        reads="find",
    ),
    "webdataset": Page(
        "Webdataset (.tar)",
        "webdataset",
        {
            "00000.tar": Archive(
                {
                    "0001.jpg": None,
                    "0001.txt": "a red robot",
                    "0002.jpg": None,
                    "0002.json": '{"caption": "a cat"}',
                }
            )
        },
        {
            "An image without a text, and a text that is none": {
                "00000.tar": Archive({"0001.jpg": None, "0002.jpg": None, "0002.txt": "None"})
            }
        },
        reads="find",
    ),
    "parallel_text": Page(
        "images/ and prompts/",
        "layouts.parallel_text",
        {
            "images/a/1.png": None,
            "texts/a/1.txt": "a red robot on a hill\n",
            "images/a/2.png": None,
            "texts/a/2.txt": "a blue robot\n",
        },
        {
            "An image without its text": {
                "images/a/1.png": None,
                "texts/a/1.txt": "a red robot on a hill\n",
                "images/a/3.png": None,
            }
        },
        reads="find",
    ),
    "json_map": Page(
        "prompts.json, captions.json",
        "json_map",
        {
            "prompts.json": '{"a.png": "a red robot on a hill", "b": "a blue robot"}',
            "a.png": None,
            "b.png": None,
        },
        {
            "A name that the map does not hold, and a value that is no text": {
                "prompts.json": '{"a.png": 7}',
                "a.png": None,
                "c.png": None,
            }
        },
        reads="find",
    ),
    "grid": Page(
        "Contact sheets (--grid)",
        "tiles",
        {"0.png": None, "0.txt": "a red robot on a hill\n"},
        {"Without a text every part is without one": {"1.png": None}},
        {"grid": "2x2"},
        reads="tile_name",
    ),
}

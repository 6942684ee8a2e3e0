"""A plugin to start from: what `rankkit new` writes."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from rankkit.errors import RankkitError, UsageError
from rankkit.registry.catalog import installed

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "rankkit-{name}"
version = "0.1.0"
description = "A ranker for rankkit"
requires-python = ">=3.10"
dependencies = ["rankkit-t2i"]

[project.entry-points."rankkit.rankers"]
{name} = "{module}:{function}"

[tool.setuptools]
py-modules = ["{module}"]
"""

MODULE = '''\
"""The ranker `{name}`."""

import rankkit


@rankkit.pointwise
def {function}(image, *, target=128):
    """Prefer images whose mean grey level is near `target`: minus the distance, from -255 to 0.

    `image` is an 8-bit RGB Pillow image. Ask for `prompt` or `metadata` too by naming them here;
    use `images`, `prompts` to be given a whole batch at once. What follows the * is an option:
    {name}:target=200.
    """
    return -abs(image.convert("L").resize((1, 1)).getpixel((0, 0)) - target)
'''

TEST = """\
import rankkit
from rankkit.testing import check_ranker


def test_{function}_passes_every_check_of_a_ranker():
    check_ranker(rankkit.load("{name}"), reload=lambda **options: rankkit.load("{name}", **options))
"""

README = """\
# rankkit-{name}

    pip install -e .
    rankkit check {name}
    rankkit score FOLDER -r {name}
"""


def write(name: str, folder: Path) -> Path:
    """Write the package of a ranker of this name into a folder that is empty or not there.

    Returns the folder.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot name a ranker; use small letters, digits and single dashes, such as my-reward "
            f"(and no word of Python)"
        )
    if taken := [each.distribution for each in installed() if each.name == name]:
        raise UsageError(
            f"a ranker named {name} is there already ({taken[0]}), and of two with one name neither can be "
            "used; give another name"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RankkitError(f"{folder} is there already and is not empty; give another --folder")
    function = name.replace("-", "_")
    names = {"name": name, "function": function, "module": f"rankkit_{function}"}
    files = {
        "pyproject.toml": PYPROJECT,
        f"{names['module']}.py": MODULE,
        f"tests/test_{function}.py": TEST,
        "README.md": README,
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.format(**names), "utf-8")
    return folder

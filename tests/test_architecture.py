"""Who may import whom, read from the source: folders stand on floors, and an arrow never runs back, sideways
or in a circle.
"""

import ast
import json
import os
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rankkit

ROOT = Path(rankkit.__file__).parents[1]

# A folder (or a file beside them) imports only from floors below its own.
FLOORS = {
    "rankkit": (
        "errors version starting",
        "core",
        "io remote",
        "registry testing",
        "scoring analysis serving environments adapters",
        "report choose doctor",
        "cli",
        "__init__ plugin serve __main__",
    ),
    "drpo": (
        "choices",
        "types preference drift parts",
        "hub waiting",
        "config shapes",
        "settings loss features generators",
        "search",
        "anchors",
        "base",
        "overlap",
        "train",
        "data",
        "build recipes",
        "run",
        "report",
        "cli",
        "__init__ __main__",
    ),
}
PUBLIC = {
    "rankkit",
    "rankkit.errors",
    "rankkit.testing",
    "rankkit.plugin",
}  # what plugins and drpo may import
WEB = {"starlette", "uvicorn"}  # only `rankkit serve` and `rankkit label` need them
WEB_MODULES = {  # and these alone may import them
    "rankkit.choose.label.app",
    "rankkit.serving.app",
    "rankkit.serving.connection",
    "rankkit.serving.replies",
}
# extras, and what only a terminal needs
ONLY_WHEN_NEEDED = {"pyarrow", "ray", "rich", "fsspec", "sklearn", "safetensors"}
THIRD_PARTY = {"numpy", "PIL", "typer", "tomli", *ONLY_WHEN_NEEDED}


def modules_below(*patterns):
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


MODULES = modules_below("rankkit/**/*.py", "drpo/**/*.py")
TREES = {name: ast.parse(path.read_bytes(), str(path)) for name, path in MODULES.items()}
PLUGIN_FILES = {
    str(path.relative_to(ROOT)): path for path in sorted(ROOT.glob("plugins/*/rankkit_*/**/*.py"))
}


def imports(tree, *, at_once=False):
    """The dotted names that a module imports; with `at_once` only those of its top level, not those inside
    functions.
    """
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif at_once and isinstance(node, (ast.If, ast.Try)):
            yield from imports(node, at_once=True)


def module_of(dotted, known=frozenset(MODULES)):
    """The longest prefix of a dotted name that is a module of ours, or None."""
    parts = dotted.split(".")
    prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in known), None)


def modules_imported(tree):
    return {found for dotted in imports(tree) if (found := module_of(dotted))}


def folder_of(name):
    """`rankkit.io.prompts.base` stands in the folder `io` of `rankkit`; a package's own `__init__` is called
    that.
    """
    package, *rest = name.split(".")
    return package, rest[0] if rest else "__init__"


def floor_of(name):
    package, folder = folder_of(name)
    floors = [number for number, folders in enumerate(FLOORS[package]) if folder in folders.split()]
    assert floors, f"say in FLOORS where {package}/{folder} stands"
    return floors[0]


# --- who knows whom ---


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_its_own_folder_and_from_the_floors_below(name):
    for other in modules_imported(TREES[name]):
        if other.split(".")[0] == name.split(".")[0] and folder_of(other) != folder_of(name):
            assert floor_of(other) < floor_of(name), f"{name} may not import {other}"


def test_no_module_imports_itself_by_way_of_others():
    parents = {
        name: {other for other in modules_imported(tree) if other != name} for name, tree in TREES.items()
    }
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_rankkit_imports_neither_drpo_nor_torch_and_drpo_imports_no_plugin():
    for name, tree in TREES.items():
        roots = {dotted.split(".")[0] for dotted in imports(tree)}
        assert not roots & ({"torch", "drpo"} if name.startswith("rankkit") else set()), name
        assert not any(root.startswith("rankkit_") for root in roots), name


def rankkit_modules(tree):
    """The modules of rankkit that a file names in its imports; a public name counts as `rankkit`."""
    return {
        found
        for dotted in imports(tree)
        if dotted.split(".")[0] == "rankkit" and (found := module_of(dotted))
    }


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("drpo")])
def test_drpo_imports_only_the_public_modules_of_rankkit(name):
    assert rankkit_modules(TREES[name]) <= PUBLIC


@pytest.mark.parametrize("name", PLUGIN_FILES)
def test_a_plugin_imports_only_the_public_modules_of_rankkit_and_no_other_plugin(name):
    tree = ast.parse(PLUGIN_FILES[name].read_bytes())
    assert rankkit_modules(tree) <= PUBLIC
    own = Path(name).parts[2]
    others = {dotted.split(".")[0] for dotted in imports(tree) if dotted.startswith("rankkit_")}
    assert others <= {own, "rankkit_torch"}


def test_drift_and_preference_know_nothing_else_of_drpo_than_the_values_of_settings():
    for name in ("drpo.drift", "drpo.preference"):
        found = {other for other in modules_imported(TREES[name]) if other.startswith("drpo")}
        assert found <= {"drpo.choices"}


def test_the_package_itself_is_its_public_names_and_nothing_else():
    tree = TREES["rankkit"]
    names = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert set(names) - {"Any", "TYPE_CHECKING"} <= set(rankkit.__all__)
    assert not any(isinstance(node, (ast.ClassDef, ast.For)) for node in ast.walk(tree))


def test_only_one_module_opens_image_files_except_for_the_text_inside_them():
    openers = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "open" and isinstance(node.value, ast.Name)
        if node.value.id == "Image" and name.startswith("rankkit")
    }
    assert {name for name in openers if not name.startswith("rankkit.io.prompts.embedded")} <= {
        "rankkit.core.images"
    }


# --- what comes from outside ---


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("rankkit")])
def test_nothing_is_imported_but_the_standard_library_and_the_stated_dependencies(name):
    outside = (
        {dotted.split(".")[0] for dotted in imports(TREES[name])} - set(sys.stdlib_module_names) - {"rankkit"}
    )
    assert outside <= THIRD_PARTY | (WEB if name in WEB_MODULES else set())
    at_once = {dotted.split(".")[0] for dotted in imports(TREES[name], at_once=True)}
    assert not at_once & ONLY_WHEN_NEEDED
    assert "typer" not in outside or folder_of(name)[1] == "cli"


def test_what_needs_the_web_packages_is_imported_by_nothing_at_once():
    for name, tree in TREES.items():
        at_once = {module_of(dotted) for dotted in imports(tree, at_once=True)}
        assert not at_once & WEB_MODULES or name in WEB_MODULES, name


def modules_after(code):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = f"import sys\n{code}\nimport json; print('\\n' + json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


HEAVY = {"torch", "transformers", "drpo", "pyarrow", "ray", "scipy", "pandas", "starlette", "uvicorn"}
LATE = {
    "typer",
    "rich",
    "sqlite3",
    "rankkit.core.builtin",
    "rankkit.scoring.engine",
    "rankkit.cli",
    "rankkit.io.formats",
}


def test_importing_rankkit_brings_no_torch_and_nothing_that_is_not_needed():
    assert not modules_after("import rankkit") & (HEAVY | LATE)


@pytest.mark.parametrize("command", [["list"], ["list", "--verbose"], ["list", "--json"]])
def test_listing_brings_no_torch_and_no_plugin(command):
    code = (
        f"from rankkit.cli import main\nsys.argv = ['rankkit', *{command!r}]\ntry: main()\nexcept "
        f"SystemExit as end: assert not end.code"
    )
    loaded = modules_after(code)
    assert not loaded & (HEAVY | {"rankkit.core.builtin"})
    assert not [name for name in loaded if name.startswith(("rankkit_", "shapes"))]


def test_a_worker_behind_a_pipe_needs_no_web_packages():
    assert not modules_after("import rankkit.serving.pipe, rankkit.serving.http") & WEB


def test_loading_a_ranker_without_weights_brings_no_torch():
    assert not modules_after("import rankkit; rankkit.load('sharpness')") & HEAVY


def test_a_run_imports_what_it_uses():
    loaded = modules_after("import rankkit.io.prompts, rankkit.scoring.engine")
    assert not loaded & (HEAVY | {"numpy", "rankkit.testing", "rankkit.io.prompts.embedded.comfyui"})


# --- sizes ---

MOST_LINES = 250
MODULES_OF_A_FOLDER = range(2, 13)  # without __init__ and __main__; folders inside count by themselves
LARGER_FOLDERS = {  # and why
    "rankkit/core": (
        15,
        "a file for each word that all else uses: types, rankers, panel, images, text …",
    ),
    "drpo": (18, "the method in flat files, to be read in one sitting, and config, recipes, build and cli"),
}
SOURCES = [
    path
    for pattern in ("rankkit/**/*.py", "drpo/**/*.py", "plugins/*/rankkit_*/**/*.py", "benchmarks/**/*.py")
    for path in sorted(ROOT.glob(pattern))
]


def test_a_file_has_at_most_250_lines():
    lines = {str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n") for path in SOURCES}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_a_folder_holds_two_to_twelve_modules():
    held = Counter(str(path.parent.relative_to(ROOT)) for path in SOURCES if not path.stem.startswith("__"))
    for name, (most, _) in LARGER_FOLDERS.items():
        assert MODULES_OF_A_FOLDER.stop <= held.pop(name) <= most, f"{name}: an exception that is none now"
    assert not {name: count for name, count in held.items() if count not in MODULES_OF_A_FOLDER}


# --- what is written ---


@pytest.mark.parametrize("name", MODULES)
def test_no_file_speaks_of_the_workplace_where_it_was_written(name):
    text = MODULES[name].read_text("utf-8").lower()
    assert not [word for word in ("shared/", "issue #", "/work/", "house.md", "field.md") if word in text]

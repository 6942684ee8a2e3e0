"""Who may import whom, read from the source: nothing here runs what it looks at, except to see what an import brings along."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rankkit

PACKAGE = Path(rankkit.__file__).parent
FILES = {path.relative_to(PACKAGE).with_suffix("").as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_bytes(), str(path)) for name, path in FILES.items()}

# A room is a module or a package; it knows only the rooms of lower floors. A new one says here where it stands.
FLOORS = (
    "errors images faults stats progress installers ahead trust",
    "types spec transplant",
    "aggregate wire records answers",
    "match sinks samples options",
    "rankers",
    "panel sources streams journal promises hello builtin",
    "choices ledger worker testing",
    "tally client",
    "agree remote",
    "elsewhere table compare gallery scaffold",
    "registry",
    "cards scoring serve",
    "ray_engine environments serve_http",
    "engine",
    "cli",
    "__main__",
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}

THIRD_PARTY = {"numpy", "PIL", "typer", "rich", "tomli", "pyarrow", "ray"}
ONLY_WHEN_NEEDED = {"pyarrow", "ray", "rich"}  # extras, and what only a terminal needs


def room_of(name):
    return name.split("/")[0]


def imports(tree, *, at_once=False):
    """The dotted names that a module imports; with `at_once` only those of its top level, not those inside functions."""
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif at_once and isinstance(node, (ast.If, ast.Try)):
            yield from imports(node, at_once=True)


def rooms_imported(tree):
    """The modules of rankkit that a module imports, as paths below the package; its public names count as `__init__`."""
    for dotted in imports(tree):
        first, *rest = dotted.split(".")
        if first == "rankkit":
            known = ["/".join(rest[:n]) for n in range(len(rest), 0, -1)]
            yield next((name for name in known if name in FILES or f"{name}/__init__" in FILES), "__init__")


def everything_named(tree, prefix=""):
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from everything_named(node, f"{prefix}{node.name}.")


# --- who knows whom ---


@pytest.mark.parametrize("name", [name for name in FILES if name != "__init__"])
def test_every_module_imports_only_from_the_floors_below_its_own(name):
    room = room_of(name)
    assert room in FLOOR, f"say in FLOORS where {room} stands"
    for imported in set(rooms_imported(TREES[name])):
        assert imported != "__init__", f"{name} imports its own package's public names; import them from where they are made"
        other = room_of(imported)
        assert other == room or FLOOR[other] < FLOOR[room], f"{name} may not import {imported}"


def test_the_package_itself_is_its_public_names_and_nothing_else():
    tree = TREES["__init__"]
    names = [alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(names) == sorted(rankkit.__all__)
    assert not any(isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.For)) for node in ast.walk(tree))
    assert all(getattr(rankkit, name).__doc__ for name in names)


def test_errors_and_images_know_nothing_of_the_house():
    for name in ("errors", "images"):
        assert not set(rooms_imported(TREES[name]))


def importers(*rooms):
    return {room_of(name) for name, tree in TREES.items() if {room_of(found) for found in rooms_imported(tree)} & set(rooms)} - set(rooms)


def test_nobody_imports_the_command_line():
    assert importers("cli") <= {"__main__"}


def test_only_the_two_ends_of_the_wire_and_the_promise_to_survive_it_know_the_wire():
    assert importers("wire") <= {"hello", "worker", "client", "remote", "serve", "serve_http", "promises"}


def test_what_reads_rows_or_images_knows_no_engine_and_no_registry():
    readers = {"sources", "records", "sinks", "table", "compare", "agree", "gallery", "choices", "tally", "streams"}
    assert not (importers("engine") | importers("registry")) & readers


def test_rankers_without_weights_are_plugins_like_any_other():
    assert importers("builtin") == set()
    assert set(rooms_imported(TREES["builtin"])) <= {"rankers", "types"}


def test_each_source_is_one_module_that_another_may_build_on_but_no_outsider_names():
    for name, tree in TREES.items():
        inner = {found for found in rooms_imported(tree) if found.startswith("sources/")}
        if not name.startswith("sources/"):
            assert not inner, f"{name} goes through rankkit.io.prompts"
        elif name != "sources/__init__":
            assert inner <= {"sources/manifest", "sources/parallel_text"}, name


def test_only_images_opens_image_files_except_for_the_text_inside_them():
    openers = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "open" and isinstance(node.value, ast.Name) and node.value.id == "Image"
    }
    assert openers <= {"images", "sources/png_text"}


# --- what comes from outside ---


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_imported_but_the_standard_library_and_the_stated_dependencies(name):
    outside = {dotted.split(".")[0] for dotted in imports(TREES[name])} - set(sys.stdlib_module_names) - {"rankkit"}
    assert outside <= THIRD_PARTY, "rankkit imports no torch, no drpo and no plugin"
    at_once = {dotted.split(".")[0] for dotted in imports(TREES[name], at_once=True)}
    assert not at_once & ONLY_WHEN_NEEDED
    assert "typer" not in outside or room_of(name) == "cli"


def test_the_command_line_imports_what_a_command_needs_when_it_needs_it():
    assert {found for found in imports(TREES["cli"], at_once=True) if found.startswith("rankkit")} <= {
        "rankkit.errors.RankkitError",
        "rankkit.errors.UsageError",
    }


def modules_after(code):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = f"import sys\n{code}\nimport json; print('\\n' + json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


HEAVY = {"torch", "transformers", "drpo", "pyarrow", "ray", "scipy", "pandas"}


def test_importing_rankkit_brings_no_torch_and_nothing_that_is_not_needed():
    loaded = modules_after("import rankkit")
    assert not loaded & (HEAVY | {"typer", "rich", "rankkit.core.builtin", "rankkit.scoring.engine", "rankkit.cli", "rankkit.io.formats", "sqlite3"})


@pytest.mark.parametrize("command", [["list"], ["list", "--verbose"], ["list", "--json"]])
def test_listing_brings_no_torch_and_no_plugin(command):
    code = f"from rankkit import cli\nsys.argv = ['rankkit', *{command!r}]\ntry: cli.main()\nexcept SystemExit as end: assert not end.code"
    loaded = modules_after(code)
    assert not loaded & (HEAVY | {"rankkit.core.builtin"})
    assert not [name for name in loaded if name.startswith(("rankkit_", "shapes"))]


def test_loading_a_ranker_without_weights_brings_no_torch():
    assert not modules_after("import rankkit; rankkit.load('sharpness')") & HEAVY


# --- what is written ---


@pytest.mark.parametrize("name", FILES)
def test_every_module_and_everything_public_in_it_says_what_it_is_for(name):
    tree = TREES[name]
    assert ast.get_docstring(tree), name
    bare = [public for public, node in everything_named(tree) if not ast.get_docstring(node)]
    assert not bare, f"{name}: {', '.join(bare)}"


@pytest.mark.parametrize("name", [path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.suffix in (".py", ".toml")])
def test_no_file_speaks_of_the_workplace_where_it_was_written(name):
    text = (PACKAGE / name).read_text("utf-8").lower()
    assert not [word for word in ("shared/", "issue #", "/work/", "house.md", "field.md") if word in text]

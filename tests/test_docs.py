"""What the README and the pages show is run; what docs/ says is what the code says; the site can be built."""

import importlib.util
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README)
GENERATED = ("commands.md", "training.md")


def run(command, folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )


def test_the_readme_starts_with_the_two_commands_and_make_knows_them():
    assert BLOCKS[0] == ("bash", "make demo\nmake test\n")
    for target in ("demo", "test", "test-all", "lint", "docs", ".venv"):
        assert run(f"make -n {target}", ROOT).returncode == 0, target


def test_every_block_of_the_readme_runs(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    run_blocks(BLOCKS[1:], tmp_path)
    assert {"scores.jsonl", "report.html"} <= {path.name for path in tmp_path.iterdir()}


def run_blocks(blocks, folder):
    """Python and bash run as they stand; a first line `# name.py` makes a file of a block."""
    for language, code in blocks:
        if language == "python" and re.match(r"# \w+\.py\n", code):
            (folder / code.split("\n")[0][2:]).write_text(code)
        elif language in ("python", "bash"):
            command = f"{sys.executable} - <<'END'\n{code}\nEND" if language == "python" else code
            result = run(command, folder)
            assert result.returncode == 0, f"{code}\n{result.stdout}{result.stderr}"


@pytest.mark.parametrize("page", ["quickstart.md", "write-a-ranker.md"])
def test_every_block_of_a_page_runs(page, tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    found = BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))
    assert found
    run_blocks(found, tmp_path)


def test_commands_that_pages_only_show_have_options_that_exist():
    """Also of blocks that need weights, a server or a GPU."""
    known = set(
        re.findall(
            r"--[a-z][a-z-]+", "".join((ROOT / "docs" / name).read_text("utf-8") for name in GENERATED)
        )
    )
    for path in sorted((ROOT / "docs").glob("**/*.md")):
        for _, code in BLOCK.findall(path.read_text("utf-8")):
            for line in re.findall(r"^(?:rankkit|drpo) .*$", code, re.MULTILINE):
                options = set(re.findall(r"(?<= )--[a-z][a-z-]+", line.split("  #")[0])) - {"--help"}
                assert options <= known, f"{path.name}: {line}"


def test_the_site_is_built_and_loads_nothing_from_other_hosts(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install '.[docs]'")
    result = run(f"{sys.executable} -m mkdocs build --strict --quiet --site-dir {tmp_path}/site", ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    pages = sorted((tmp_path / "site").glob("**/*.html"))
    assert {"index.html", "commands.html", "faq.html", "method.html", "benchmarks.html"} <= {
        p.name for p in pages
    }
    loaded = re.compile(
        r"<(?:script|img|iframe)[^>]* src=\"?(https?:|//)|@import"
        r"|<link[^>]* href=\"?(https?:|//)[^>]*stylesheet"
    )
    for page in pages:
        assert not loaded.search(page.read_text("utf-8")), page.name


@pytest.fixture(scope="module")
def pages():
    """The generated pages, each with the function that writes it."""
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    return make.PAGES


def test_the_generated_pages_are_up_to_date(pages):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install '.[parquet]'")
    for name, page in pages.items():
        assert (ROOT / "docs" / name).read_text("utf-8") == page(), f"{name}: run make docs"


def test_every_program_and_every_source_of_prompts_has_a_page(pages):
    from rankkit.io.prompts import embedded
    from rankkit.io.prompts.survey import SOURCES

    found = {each.name for each in pkgutil.iter_modules(embedded.__path__)}
    modules = {name: importlib.import_module(f"{embedded.__name__}.{name}") for name in found}
    readers = {name for name, module in modules.items() if hasattr(module, "PROGRAM")}
    assert {f"programs/{name}.md" for name in readers} == {name for name in pages if "programs/" in name}
    no_prompts = {"selections"}  # leaves images out
    sources = {find.__module__.split(".")[-1] for find in SOURCES} - {"source"} - no_prompts | {"grid"}
    assert {f"layouts/{name}.md" for name in sources} == {name for name in pages if "layouts/" in name}


def test_an_example_of_a_program_gets_its_prompt_and_one_of_what_is_refused_none(pages):
    for name in (each for each in pages if "/" in each):
        example, refused = (ROOT / "docs" / name).read_text("utf-8").split("## Without a prompt")
        assert "| none |" not in example.replace("it is not scored", "").replace(
            "| none | a contact sheet", ""
        ), name
        assert "| none |" in refused or "error: " in refused, name


def test_the_menu_names_every_page_per_program_and_layout(pages):
    menu = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [name for name in pages if name not in menu] == []


def test_links_of_the_readme_and_contributing_lead_somewhere():
    for page in ("README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8")):
            assert link.startswith("http") or (ROOT / link).exists(), f"{page}: {link}"


def test_the_plan_of_a_billion_images_follows_from_the_rows_that_were_measured():
    from benchmarks.scale.page import PAGE, render

    text = PAGE.read_text("utf-8")
    assert render(text) == text, "python -m benchmarks.scale writes docs/scale.md anew"

"""What lies beside the code is named in pyproject.toml, or a wheel would go without it."""

from rankkit.registry.cards import tomllib

CODE = {".py", ".pyc"}


def test_every_file_beside_the_code_is_package_data(request):
    root = request.config.rootpath
    patterns = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    named = {
        path
        for package, globs in patterns.items()
        for pattern in globs
        for path in root.joinpath(*package.split(".")).glob(pattern)
    }
    beside = {
        path
        for package in ("rankkit", "drpo")
        for path in (root / package).rglob("*")
        if path.is_file() and path.suffix not in CODE
    }
    assert beside and sorted(beside - named) == []

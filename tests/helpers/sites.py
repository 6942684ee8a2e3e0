"""Distributions with rankers, as pip would leave them."""

import textwrap

GREY = '''
import rankkit

@rankkit.pointwise
def grey(image, *, target=128):
    """Prefer grey."""
    return -abs(image.convert("L").getpixel((0, 0)) - target)
'''


class Site:
    """A folder on sys.path with distributions in it, as pip would leave them."""

    def __init__(self, folder):
        self.folder = folder

    def module(self, name, source):
        path = self.folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))

    def distribution(self, name, points, version="1.0", requires=()):
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = [
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
            *(f"Requires-Dist: {line}" for line in requires),
        ]
        (info / "METADATA").write_text("\n".join(metadata) + "\n")
        lines = [f"{ranker} = {value}" for ranker, value in points.items()]
        (info / "entry_points.txt").write_text("[rankkit.rankers]\n" + "\n".join(lines) + "\n")

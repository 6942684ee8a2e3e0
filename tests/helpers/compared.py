"""A ranker that opens the images which metadata names and one that reads none, as the text of a module."""

COMPARED = """
import rankkit
from rankkit.plugin import image_of


@rankkit.pointwise
def blind(image):
    return 1

class Compared(rankkit.Pointwise):
    metadata_images = ("source",)

    def __init__(self, *, folder: str = ""):
        self.folder = folder

    def score(self, images, metadata):
        sources = [image_of(each.get("source"), folder=self.folder) for each in metadata]
        return [source.image.getpixel((0, 0))[0] if source.image else 0 for source in sources]
"""

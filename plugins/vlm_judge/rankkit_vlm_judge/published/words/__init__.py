"""The words of published questions, a text file each; LICENCES.md says whose they are."""

from importlib.resources import files


def words(name: str, **said: str) -> str:
    """A question by the name of its file, with what is said in each ``{place}`` of it."""
    text = files(__name__).joinpath(f"{name}.txt").read_bytes().decode()
    for place, value in said.items():
        text = text.replace(f"{{{place}}}", value)
    return text

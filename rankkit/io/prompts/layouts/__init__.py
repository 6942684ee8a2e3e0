"""Folders in which the place or the name of an image tells its prompt; one layout per file."""

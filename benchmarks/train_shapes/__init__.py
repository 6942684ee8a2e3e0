"""Trains the generator of the shapes world, and writes it into the package."""

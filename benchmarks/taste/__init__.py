"""The way from a person's answers to a generator trained by their taste, with a simulated person."""

from benchmarks.taste.person import warm_and_high

__all__ = ["warm_and_high"]

"""A small world of coloured shapes: its prompts, its renderer, its ranker, and a generator that is wrong on
purpose.
"""

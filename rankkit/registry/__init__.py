"""Names to rankers: what is installed, how a spec becomes a ranker, its options and its card.

Nothing is imported before it is loaded.
"""

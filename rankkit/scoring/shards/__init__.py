"""Runs over shards: each is planned, read and scored where it is taken up, and has rows of its own.

    find → pool of workers (one.score_shard) → folder → across → manifest.json

Images of one group may lie in several shards: `across` fills their ranks in when every shard is scored.
"""

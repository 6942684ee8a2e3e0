"""Many clients of one served ranker."""

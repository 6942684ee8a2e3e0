"""The other end of `rankkit.remote`: one ranker behind a pipe or behind HTTP."""

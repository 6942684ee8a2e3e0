"""Reward hacking, seen: a run that is trained on what is easily gamed, and what notices it."""

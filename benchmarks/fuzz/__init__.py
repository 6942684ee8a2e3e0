"""Millions of broken and hostile inputs for every reader of strangers' bytes."""

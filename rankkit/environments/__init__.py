"""An environment of its own for a plugin whose package cannot live in ours."""

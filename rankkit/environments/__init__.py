"""An environment of its own for a plugin whose package cannot be installed into ours."""

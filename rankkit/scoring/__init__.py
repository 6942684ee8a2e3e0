"""The scoring run: images to chunks to rows, resumable after any interruption, here or on Ray."""

"""FLOPs of one update, counted on networks without values."""

"""How `rankkit` measures up: start, memory, resuming."""

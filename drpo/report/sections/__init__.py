"""The parts of a run's page, a file each; `parts` holds what they share."""

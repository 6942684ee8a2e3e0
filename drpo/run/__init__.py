"""The loop around the training step: the run folder, checkpoints, evaluation, tracking, samples."""

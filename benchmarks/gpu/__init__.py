"""What the models cost on a GPU: scoring, training, the drift."""

"""Training data: prompts with their metadata, and preference pairs."""

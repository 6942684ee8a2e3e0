"""What makes an update of the built-in world quicker, and what does not."""

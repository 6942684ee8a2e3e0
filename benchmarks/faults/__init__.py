"""What is killed, flooded or lied to, and what comes of it."""

"""Where the drift points, beside where a wrong image would have to go."""

"""What a pairwise judge achieves per call, whether its position bias leaks, and what a group costs."""

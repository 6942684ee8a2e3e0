"""A finished run in numbers and images: its report, and its comparison with the base."""

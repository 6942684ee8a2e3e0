"""How fast images become rows, beside what people write themselves: `python -m benchmarks.throughput`."""

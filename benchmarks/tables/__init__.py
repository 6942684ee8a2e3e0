"""Tables of README.md, made from results/*.jsonl, a file for each family of benchmarks."""

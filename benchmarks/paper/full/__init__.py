"""The paper's tables at full size, in one folder: what it costs, training, sampling, scoring, tables."""

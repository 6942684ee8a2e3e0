"""Scoring on a Ray cluster: `chunks` of works into one file, `shards` into a folder, by actors of a `pool`.

Each worker is an actor that builds its own rankers once and scores as one machine does. It has one CPU and,
where there are GPUs and one of its rankers needs them, its part of them: with more workers than GPUs several
share one (`room`). `pools` says which rankers share workers.
"""

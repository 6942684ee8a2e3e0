"""A person's taste as a ranker: fitted to their choices, kept in a folder, named by its path.

choices → collect (parts of features, a cache) → folds → held_out → taste, the folder → ranker.
"""

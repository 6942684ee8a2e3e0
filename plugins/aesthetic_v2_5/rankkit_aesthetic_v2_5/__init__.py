"""Aesthetic Predictor V2.5 (discus0434 2024): linear layers on SigLIP's image tower.

`ranker` is our port, `weights` where its files come from, `official` the author's package.
"""

"""MPS, the Multi-dimensional Preference Score (Zhang et al. 2024, CVPR, arXiv 2405.14705).

`ranker` is the ranker, `network` what is added to CLIP, `module_file` reads the published file safely.
"""

"""The downstream segmenter, and the judge: a small frozen segmenter that sees what translation changed.

A training set and a validation set come in, scores and weights go out. It imports `metrics`, `datasets` and what is
below them.
"""

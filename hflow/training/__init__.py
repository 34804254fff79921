"""Hierarchy Flow's training: the loop, the perceptual losses, the checkpoints.

Prepared shards of both domains come in, a model folder and its learning curves go out. It imports `translation` and
what is below it, and no tracker: a logger is an argument.
"""

"""Measures of frames and of segmentations, each a function of arrays or tensors.

Pictures, labels and features come in, numbers go out. It imports `foundation` alone.
"""

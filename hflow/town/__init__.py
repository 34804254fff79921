"""The miniature GTA5 and the miniature Cityscapes that a fresh clone runs on.

A seed and counts come in, two raw datasets in their official layouts go out. It imports `foundation` alone.
"""

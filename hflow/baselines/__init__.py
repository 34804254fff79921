"""Recolouring by simple means, to hold translation against.

Prepared shards come in, recoloured training sets go out. It imports `translation` and what is below it.
"""

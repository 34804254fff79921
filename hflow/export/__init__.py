"""A translated dataset in the layouts that other tools load.

Shards and their manifest come in, a folder in another layout goes out. It imports `datasets` and `foundation`.
"""

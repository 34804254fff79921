"""Where shards are translated, an engine a file; `opening` finds the one that params.yaml names, `running` uses it.

Shard tasks go in, finished shards come out. All engines give the same bytes on the same model of CPU with the same
number of threads. They import `translation.shard_worker`, what that stands on, and `foundation`.
"""

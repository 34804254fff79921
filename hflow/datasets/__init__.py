"""Raw datasets in, checked samples in Parquet shards out, and everything that reads those shards again.

`layouts/` knows how datasets lie on people's disks; `preparation` checks, resizes and shards them; `manifest` and
`verification` account for every frame. It imports `presets` and `foundation`.
"""

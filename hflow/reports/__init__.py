"""What came of a run: figures gathered once, pages that carry everything with them, datasets and models compared.

Shards, manifests and scores come in, JSON, plots and HTML go out. It imports `translation` and what is below it.
"""

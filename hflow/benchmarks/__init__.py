"""How fast translation, its stages and training are, each as a ratio within one run.

Parameters come in, tables go out. It imports everything below the pipeline.
"""

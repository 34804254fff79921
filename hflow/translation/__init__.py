"""Frames into the style of the target, by a trained model: any tensor, a folder of images, or a whole dataset.

`plan` says what a run is, `engines` where it runs, `shard` what is done with one shard, `publication` what becomes of
the results. Prepared shards and a model come in, translated shards and the manifest go out. It imports
`segmentation`, `model`, `metrics`, `datasets` and `foundation`.
"""

from hflow.translation.translator import Translator

__all__ = ["Translator"]

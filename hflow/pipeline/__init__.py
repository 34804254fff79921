"""The stages, each with the folders it reads and writes, and the release of a model.

params.yaml's typed sections come in; datasets, models, figures and reports are left in the project's folders. It
imports every room but `benchmarks` and `commands`.
"""

"""The network of Hierarchy Flow, its equals that are faster on a CPU, on a GPU and in training, and its files.

Frames and style images come in as tensors, or a model's folder; translated frames, or weights with a style bank, go
out. It imports `foundation` alone.
"""

from hflow.model.hierarchy_flow import HierarchyFlow

__all__ = ["HierarchyFlow"]

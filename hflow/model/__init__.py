"""The network of Hierarchy Flow."""

from hflow.model.hierarchy_flow import HierarchyFlow

__all__ = ["HierarchyFlow"]

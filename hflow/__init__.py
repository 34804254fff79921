"""hflow: simulator frames into frames that look real, labels kept, with Hierarchy Flow (arXiv:2308.06909)."""

__version__ = "0.1.0"

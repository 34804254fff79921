"""How large something is, for people to read."""

__all__ = ["size_in_words"]


def size_in_words(size: int) -> str:
    """Bytes as gigabytes or megabytes."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"

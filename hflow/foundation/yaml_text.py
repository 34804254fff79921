"""YAML in which a key stands once."""

from typing import Any

import yaml

__all__ = ["parse_yaml"]


def parse_yaml(text: str) -> Any:
    """What a YAML text says.

    Raises:
        yaml.YAMLError: it is no YAML, a mapping has a key twice, of which PyYAML by itself takes the last, or a value
            is none of its kind, such as the date 2001-99-99.
    """
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, MemoryError):
        raise
    except Exception as error:  # PyYAML makes numbers and dates of whatever looks like some
        raise yaml.YAMLError(str(error)) from None


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            # Merged mappings (<<) may hold a key again: that is what they are for.
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    first = seen[key.value].start_mark.line + 1
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} is there twice, first in line {first}: remove one", key.start_mark
                    )
                seen[key.value] = key
        return super().construct_mapping(node, deep=deep)

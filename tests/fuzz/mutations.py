"""Files that are nearly whole, as strategies of Hypothesis."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

__all__ = ["edited_text", "json_values", "mutated"]

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SIGNATURE = b"\x89PNG\r\n\x1a\n"

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-2, 300)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "auto", "null", "../..", "/", "a" * 300, "\0", "models:/x@champion"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""What JSON and YAML can hold."""


@st.composite
def mutated(draw: st.DrawFn, contents: Sequence[bytes]) -> bytes:
    """One of the contents with up to six edits; half of the PNGs get checksums that fit, so that more is read."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(0, 64))
        match draw(st.sampled_from(["byte", "number", "cut", "remove", "insert", "repeat"])):
            case "byte":
                content[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "number":
                order = draw(st.sampled_from("<>"))
                content[place : place + 4] = struct.pack(f"{order}I", draw(st.sampled_from(NUMBERS)))
            case "cut":
                del content[place:]
            case "remove":
                del content[place : place + length]
            case "insert":
                content[place:place] = draw(st.binary(max_size=16))
            case "repeat":
                content[place:place] = content[place : place + length]
    if content.startswith(SIGNATURE) and draw(st.booleans()):
        return _with_checksums(bytes(content))
    return bytes(content)


@st.composite
def edited_text(draw: st.DrawFn, texts: Sequence[str]) -> str:
    """One of the texts with up to four lines replaced, doubled, indented or cut."""
    lines = draw(st.sampled_from(texts)).splitlines()
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        key, _, _ = lines[place].partition(":")
        match draw(st.sampled_from(["value", "line", "double", "indent", "cut"])):
            case "value":
                lines[place] = f"{key}: {draw(_SCALARS)}"
            case "line":
                lines[place] = draw(st.text(max_size=40))
            case "double":
                lines.insert(place, lines[place])
            case "indent":
                lines[place] = " " * draw(st.integers(0, 8)) + lines[place].lstrip()
            case "cut":
                lines[place] = lines[place][: draw(st.integers(0, 20))]
    return "\n".join(lines)


_HARD_SCALARS = (
    *("2001-99-99", "0x", "1_0", ".inf", "-.nan", "0o9", "1e400", "9" * 5000, "!!int x", "!!timestamp x", "!!binary x"),
    *("!!python/object:os.system {}", "&a [*a]", "*b", "<<: 1", "[" * 3000, "'", '"', "{", "[", "|", ">", "? :", "%"),
)
_SCALARS = st.sampled_from(_HARD_SCALARS) | json_values.map(
    lambda value: value if isinstance(value, str) else repr(value)
)


def _with_checksums(content: bytes) -> bytes:
    """The chunks of a PNG, each with the checksum that it should have."""
    result, place = bytearray(SIGNATURE), len(SIGNATURE)
    while place + 8 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        body = content[place + 4 : place + 8 + length]
        result += content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return bytes(result)

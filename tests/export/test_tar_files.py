"""Archives are what `tarfile` would write."""

import io
import tarfile
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given
from hypothesis import strategies as st

from hflow.export.tar_files import write_tar

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=120)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=1100)), max_size=6))
@example([("a" * 99, b""), ("a" * 100, b"x"), ("a" * 101, b"")])
def test_an_archive_has_the_bytes_that_tarfile_writes(files: list[tuple[str, bytes]]) -> None:
    wanted = io.BytesIO()
    with tarfile.open(fileobj=wanted, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.tar"
        digest = write_tar(path, files)
        assert path.read_bytes() == wanted.getvalue()
    assert digest == sha256(wanted.getvalue()).hexdigest()

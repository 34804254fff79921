"""A real S3 server on a loopback port, and a connection to it that fails when it is told to, for tests."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fsspec
import pytest

from tests.servers import free_port, served

__all__ = ["S3", "Line", "disturbed", "s3_server"]

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "of-tests",
    "AWS_SECRET_ACCESS_KEY": "PASSWORD",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_MAX_ATTEMPTS": "1",  # hflow's own are enough, and a failure is seconds sooner
}


@dataclass
class S3:
    """A server with one bucket, named town."""

    url: str
    files: Any = field(repr=False)

    def content(self, folder: str) -> dict[str, bytes]:
        """What lies below a folder of the bucket, by name."""
        root = f"town/{folder}"
        return {name.removeprefix(f"{root}/"): self.files.cat_file(name) for name in self.files.find(root)}

    def half_uploads(self) -> list[str]:
        """The objects of which parts have come and the end has not."""
        return [upload["Key"] for upload in self.files.list_multipart_uploads("town")]

    def use(self, monkeypatch: pytest.MonkeyPatch, url: str | None = None) -> None:
        """Have hflow reach the server, by an address of its own or another."""
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url or self.url}.items():
            monkeypatch.setenv(name, value)


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3]:
    """Run moto's server until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with served("moto.server", "-p", str(port), url=f"{url}/moto-api/", log=folder / "s3.log"):
        files = fsspec.filesystem(
            "s3",
            key="of-tests",
            secret="PASSWORD",
            client_kwargs={"endpoint_url": url},
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        files.mkdir("town")
        yield S3(url, files)


@dataclass
class Line:
    """A connection to a server.

    Attributes:
        url: where it begins.
        cut_up, cut_down: bytes to the server, or from it, after which a connection is cut; None never.
        cuts: how many more connections are cut.
        delay: seconds that everything from the server waits.
    """

    url: str = ""
    cut_up: int | None = None
    cut_down: int | None = None
    cuts: int = 0
    delay: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def is_cut(self, count: int, after: int | None) -> bool:
        """Whether a connection that has carried so many bytes ends here."""
        with self._turn:
            if after is None or count < after or not self.cuts:
                return False
            self.cuts -= 1
            return True


@contextlib.contextmanager
def disturbed(url: str) -> Iterator[Line]:
    """A line to the server at `url`, whose attributes may be set while it is in use."""
    target = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    line = Line(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def carry(here: socket.socket, there: socket.socket, *, up: bool) -> None:
        count = 0
        with contextlib.suppress(OSError):
            while content := here.recv(1 << 16):
                count += len(content)
                if line.is_cut(count, line.cut_up if up else line.cut_down):
                    break
                if not up and line.delay:
                    time.sleep(line.delay)
                there.sendall(content)
        for end in (here, there):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes who waits for it
            end.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.create_connection((target.hostname or "", target.port or 0))
                for one, other, up in ((here, there, True), (there, here, False)):
                    threading.Thread(target=carry, args=(one, other), kwargs={"up": up}, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield line
    finally:
        listener.close()

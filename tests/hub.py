"""A stand-in for the Hugging Face hub: a server of the part of its HTTP API that uploads of a dataset use.

It keeps files and commits in memory. Files that end as `lfs` says go by Git LFS, as large ones do; others with the
commit.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Hub", "hub_server"]


@dataclass
class Hub:
    """What the hub holds, and how it is to behave.

    Attributes:
        url: where it listens.
        files: of the only repository, by name.
        commits: the names of the files that each added, changed or took away.
        uploaded: the hashes that came by Git LFS, in order.
        lfs: the endings of files that go by it.
        refuse: how many commits it refuses from now on, each with the status 403, once `accept` others were taken.
        hang: whether an upload by Git LFS is left without an answer, in its middle, once one has come.
        hanging: is set when one is.
    """

    url: str = ""
    repository: str | None = None
    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[list[str]] = field(default_factory=list)
    uploaded: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    lfs: tuple[str, ...] = ()
    accept: int = 0
    refuse: int = 0
    hang: bool = False
    hanging: threading.Event = field(default_factory=threading.Event)

    def commit(self, lines: list[dict[str, Any]]) -> list[str]:
        changed = []
        for line in lines[1:]:
            value = line["value"]
            path = value["path"]
            if line["key"] == "file":
                self.files[path] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[path] = self.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.files[path]
            changed.append(path)
        self.commits.append(changed)
        return changed


@contextmanager
def hub_server(hub: Hub) -> Iterator[Hub]:
    """Serves it on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = self.path.partition("?")[0]
            if f"/api/datasets/{hub.repository}/tree/" in place:
                files = [
                    {"type": "file", "path": name, "size": len(content), "oid": _git_oid(content)}
                    for name, content in sorted(hub.files.items())
                ]
                return self._answer(files)
            if place.startswith(f"/api/datasets/{hub.repository}"):
                made = {
                    "id": hub.repository,
                    "sha": f"{len(hub.commits):040x}",
                    "createdAt": "2026-11-30T12:00:00.000Z",
                }
                siblings = [{"rfilename": name} for name in sorted(hub.files)]
                return self._answer({**made, "private": hub.private, "siblings": siblings, "tags": [], "downloads": 0})
            return self._answer({"error": f"no {place}"}, 404)

        def do_PUT(self) -> None:
            oid = self.path.rpartition("/")[2]
            if hub.hang and hub.uploaded:
                hub.hanging.set()
                self.rfile.read(1)
                self.connection.settimeout(60)
                while self.rfile.read1():  # until the sender is gone
                    pass
                return None
            content = self._content()
            assert hashlib.sha256(content).hexdigest() == oid
            hub.objects[oid] = content
            hub.uploaded.append(oid)
            return self._answer({})

        def do_POST(self) -> None:
            content, place = self._content(), self.path.partition("?")[0]
            if place == "/api/repos/create":
                asked = json.loads(content)
                assert asked["type"] == "dataset"
                name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
                if hub.repository == name:
                    return self._answer({"error": "is there", "url": f"{hub.url}/datasets/{name}"}, 409)
                hub.repository, hub.private = name, bool(asked.get("private"))
                return self._answer({"url": f"{hub.url}/datasets/{name}", "name": name, "id": "1"})
            if place.endswith("/preupload/main"):
                return self._answer({"files": [self._mode(file) for file in json.loads(content)["files"]]})
            if place.endswith("/info/lfs/objects/batch"):
                return self._answer(
                    {"transfer": "basic", "objects": [self._action(o) for o in json.loads(content)["objects"]]}
                )
            if place.endswith("/commit/main"):
                if hub.accept == 0 and hub.refuse:
                    hub.refuse -= 1
                    return self._answer({"error": "not now"}, 403)
                hub.accept = max(0, hub.accept - 1)
                hub.commit([json.loads(line) for line in content.splitlines() if line])
                number = f"{len(hub.commits):040x}"
                return self._answer(
                    {"commitOid": number, "commitUrl": f"{hub.url}/datasets/{hub.repository}/commit/{number}"}
                )
            if place == "/api/validate-yaml":
                return self._answer({"errors": [], "warnings": []})
            return self._answer({"error": f"no {place}"}, 404)

        def _mode(self, file: dict[str, Any]) -> dict[str, Any]:
            large = file["path"].endswith(hub.lfs) if hub.lfs else False
            there = hub.files.get(file["path"])
            oid = None if there is None else hashlib.sha256(there).hexdigest() if large else _git_oid(there)
            return {
                "path": file["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
                "oid": oid,
            }

        def _action(self, wanted: dict[str, Any]) -> dict[str, Any]:
            if wanted["oid"] in hub.objects:
                return wanted
            return {**wanted, "actions": {"upload": {"href": f"{hub.url}/lfs/{wanted['oid']}", "header": {}}}}

        def _content(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                whole = b""
                while size := int(self.rfile.readline(), 16):
                    whole += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return whole
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _answer(self, value: Any, status: int = 200) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _git_oid(content: bytes) -> str:
    """How Git names a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

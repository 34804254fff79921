"""What waits is told in order, once the other side is back, whatever process does it."""

import os
from pathlib import Path

import pytest

from hflow.registry.offline_queue import Entry, OfflineQueue, RefusedError, abandoned_queues


class Listener:
    """Hears entries, or is away."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.away = False

    def __call__(self, entry: Entry) -> None:
        if self.away:
            raise ConnectionError
        self.heard.append(entry["n"])


def _add(queue: OfflineQueue, *numbers: int) -> None:
    for n in numbers:
        queue.add({"n": n})


def test_entries_are_told_in_order_after_the_listener_is_back(tmp_path: Path) -> None:
    listener = Listener()
    queue = OfflineQueue(tmp_path / "a.jsonl", listener)
    listener.away = True
    _add(queue, 1, 2)
    with pytest.raises(ConnectionError):
        queue.deliver()
    _add(queue, 3)
    listener.away = False
    assert queue.deliver() == 3
    assert listener.heard == [1, 2, 3]


def test_a_queue_that_was_told_leaves_no_file_and_another_does(tmp_path: Path) -> None:
    told, waiting = (
        OfflineQueue(tmp_path / "told.jsonl", Listener()),
        OfflineQueue(tmp_path / "waiting.jsonl", Listener()),
    )
    _add(told, 1)
    _add(waiting, 1)
    told.deliver()
    told.close()
    waiting.close()
    assert abandoned_queues(tmp_path) == [tmp_path / "waiting.jsonl"]


def test_another_process_tells_what_was_left_but_for_the_line_that_was_being_written(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n{"n"')
    listener = Listener()
    queue = OfflineQueue(tmp_path / "a.jsonl", listener)
    _add(queue, 3)
    queue.close()
    again = OfflineQueue(tmp_path / "a.jsonl", listener)
    assert again.deliver() == 3
    assert listener.heard == [1, 2, 3]


def test_the_order_of_queues_outlasts_a_try_that_failed(tmp_path: Path) -> None:
    paths = [tmp_path / "z.jsonl", tmp_path / "a.jsonl"]
    for time, path in enumerate(paths):
        queue = OfflineQueue(path, Listener())
        _add(queue, 1)
        queue.close()
        os.utime(path, (time, time))
    listener = Listener()
    listener.away = True
    queue = OfflineQueue(paths[0], listener)
    with pytest.raises(ConnectionError):
        queue.deliver()
    queue.close()
    assert abandoned_queues(tmp_path) == paths


def test_an_entry_that_is_refused_is_put_aside_once_and_named_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Choosy(Listener):
        def __call__(self, entry: Entry) -> None:
            if entry["n"] == 2:
                raise RefusedError("no twos")
            super().__call__(entry)

    (tmp_path / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n{"n": 3}\n')
    for _ in range(2):  # as a process that is killed before it closes its queue, and the next one
        listener = Choosy()
        queue = OfflineQueue(tmp_path / "a.jsonl", listener)
        assert queue.deliver() == 2
        assert listener.heard == [1, 3]
        queue._file.close()
    assert (tmp_path / "a.refused").read_text() == '{"n": 2, "refused": "no twos"}\n'
    assert capsys.readouterr().err.count("was refused (no twos): it is kept in") == 1


def test_a_queue_that_is_being_written_is_not_left(tmp_path: Path) -> None:
    queue = OfflineQueue(tmp_path / "a.jsonl", Listener())
    _add(queue, 1)
    assert abandoned_queues(tmp_path) == []
    queue.close()
    assert abandoned_queues(tmp_path) == [tmp_path / "a.jsonl"]

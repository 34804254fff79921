"""Shards that lie in a store: each is brought before an engine translates it, and sent behind it."""

import contextlib
import threading
from collections.abc import Iterator

from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.nearby import Nearby
from hflow.translation.engines.base import Advance, Engine
from hflow.translation.sent_shards import SentShards
from hflow.translation.shard_task import ShardTask

__all__ = ["ShardCarrier", "carried"]


class ShardCarrier:
    """An engine that takes shards from a store, or gives them to one, and has another translate them.

    It has two slots more than that one: while a shard is translated, the next is brought and the last is sent.

    Args:
        engine: of this machine.
        files: of the prepared folder.
        sent: where finished shards go; None leaves them in the folder for finished work.
    """

    def __init__(self, engine: Engine, files: Nearby, sent: SentShards | None):
        self.slots, self.marks = engine.slots + 2, engine.marks
        self._engine, self._files, self._sent = engine, files, sent
        self._stopped = threading.Event()

    def translate(self, task: ShardTask, advance: Advance) -> Finished:
        found = self._sent.find(task) if self._sent else WorkFolder(task.recipe.work).find(task.fingerprint)
        if found:
            advance(task.rows)
            return found
        name = f"source/{task.split}/{task.path.name}"
        with self._files.at_hand([name]):
            self._go_on()
            if self._files.size(name) is not None and self._files.sha256(name) != task.sha256:
                raise HflowError(f"{self._files.told(str(task.path))} has other bytes than when it was written")
            try:
                finished = self._engine.translate(task, lambda count: self._advance(advance, count))
            except AwayError:
                raise
            except HflowError as error:
                raise HflowError(self._files.told(str(error))) from None
        return self._sent.keep(task, finished) if self._sent else finished

    def stop(self) -> None:
        """Let what is under way end at its next batch."""
        self._stopped.set()

    def _advance(self, advance: Advance, count: int) -> None:
        self._go_on()
        advance(count)

    def _go_on(self) -> None:
        if self._stopped.is_set():
            raise HflowError("the run was stopped")


@contextlib.contextmanager
def carried(engine: Engine, files: Nearby, sent: SentShards | None) -> Iterator[ShardCarrier]:
    """A carrier of shards, which is stopped when the block ends, however it does."""
    carrier = ShardCarrier(engine, files, sent)
    try:
        yield carrier
    finally:
        carrier.stop()

"""Frames through the network in their order: decoding, the network and encoding side by side, bounded queues between.

Batches are neighbours of one shape, so what a frame comes out as depends on the frames given and on nothing else: not
on the number of threads that decode, not on how fast they are.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hflow.datasets.images import decode_ids
from hflow.foundation.errors import HflowError, PassingError
from hflow.foundation.frame_size import check_frame_size
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.segmentation.judge import Judge
from hflow.translation.camera import Camera
from hflow.translation.class_colours import ClassColours
from hflow.translation.frame_batch import BatchTranslator, Finish, FrameResult, PendingFrames
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import Translator

__all__ = ["FramePipeline"]

Row = dict[str, Any]


@dataclass
class _Frame:
    row: Row
    pixels: np.ndarray | None  # (H, W, 3), uint8
    fault: HflowError | None = None


class FramePipeline:
    """Takes rows with a frame each to rows with a translated frame each.

    Args:
        translator: the network with its styles.
        choice: of a style for each frame.
        batch_size: frames at once; halved where the device's memory does not hold them.
        workers: threads that decode and encode.
        judge: looks at each frame before and after; None leaves consistency out.
        min_consistency: a frame whose consistency is less is rejected.
        class_colours: moves the classes of a translated frame, by its row's label_train_ids where it has them.
        camera: takes each translated frame, last of all.
    """

    def __init__(
        self,
        translator: Translator,
        *,
        choice: StyleChoice,
        batch_size: int,
        workers: int,
        judge: Judge | None = None,
        min_consistency: float = 0.0,
        class_colours: ClassColours | None = None,
        camera: Camera | None = None,
    ):
        self.translator, self.choice, self.judge = translator, choice, judge
        self.class_colours, self.camera = class_colours, camera
        self._translate = BatchTranslator(translator, judge)
        self.batch_size, self.workers, self.min_consistency = batch_size, workers, min_consistency
        self._ahead = 2 * batch_size + workers

    def run(
        self, rows: Iterable[Row], decode: Callable[[Row], np.ndarray], encode: Callable[[Row, np.ndarray], None]
    ) -> Iterator[tuple[Row, HflowError | None]]:
        """Yield every row, in order, with the fault it is rejected for, None where it is translated.

        The fault is a PassingError where the device's memory does not hold the frame.

        A row that went through the network has gained style, ssim, consistency and batch (None where it was not
        halved).

        Args:
            rows: each with a key, by which, and by its pixels, its style is chosen; where they have a group, frames of
                different groups are not translated at once.
            decode: gives a row's pixels, uint8 (H, W, 3); what it raises as HflowError rejects the row.
            encode: puts the translated pixels, of the same shape, into the row; so does what it raises. Both are
                called in threads.
        """
        waiting: deque[tuple[_Frame, Future[None] | None]] = deque()
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for frames, pending in self._computed(self._batches(self._decoded(pool, rows, decode))):
                    results = itertools.chain.from_iterable(part.fetch() for part in pending)
                    for frame in frames:
                        if frame.fault:
                            waiting.append((frame, None))
                        else:
                            waiting.append((frame, pool.submit(self._finish, frame, next(results), encode)))
                    while len(waiting) > self._ahead:
                        yield _outcome(*waiting.popleft())
                while waiting:
                    yield _outcome(*waiting.popleft())
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _decoded(
        self, pool: ThreadPoolExecutor, rows: Iterable[Row], decode: Callable[[Row], np.ndarray]
    ) -> Iterator[_Frame]:
        """Frames in order, some of them decoded before they are asked for."""
        waiting: deque[tuple[Row, Future[np.ndarray]]] = deque()
        for row in rows:
            waiting.append((row, pool.submit(_checked, row, decode)))
            if len(waiting) > self._ahead:
                yield _frame(*waiting.popleft())
        while waiting:
            yield _frame(*waiting.popleft())

    def _batches(self, frames: Iterable[_Frame]) -> Iterator[list[_Frame]]:
        """Neighbours of one shape and group, up to the batch size; what is rejected stays at its place and counts for
        nothing."""
        batch: list[_Frame] = []
        alike: tuple[object, ...] | None = None
        count = 0
        for frame in frames:
            if frame.pixels is not None:
                this = (frame.row.get("group"), frame.pixels.shape)
                if count == self.batch_size or alike not in (None, this):
                    yield batch
                    batch, count = [], 0
                alike, count = this, count + 1
            batch.append(frame)
        if batch:
            yield batch

    def _computed(self, batches: Iterable[list[_Frame]]) -> Iterator[tuple[list[_Frame], list[PendingFrames]]]:
        """One batch behind, so that a GPU has the next one to do while this one is fetched."""
        before: tuple[list[_Frame], list[PendingFrames]] | None = None
        for batch in batches:
            given = [(frame.row, frame.pixels) for frame in batch if frame.pixels is not None]
            styles = [self.choice(row["key"], pixels) for row, pixels in given]
            for (row, _), style in zip(given, styles, strict=True):
                row["style"] = self.translator.styles.keys[style]
            finishes = self._finishes(given) if self.class_colours or self.camera else ()
            pending = self._translate([pixels for _, pixels in given], styles, finishes) if given else []
            if before is not None:
                yield before
            before = batch, pending
        if before is not None:
            yield before

    def _finishes(self, given: Sequence[tuple[Row, np.ndarray]]) -> list[Finish]:
        """What is done behind the network to each of the rows and their pixels."""

        def finish(translated: np.ndarray, row: Row, pixels: np.ndarray) -> np.ndarray:
            label = row.get("label_train_ids")
            if self.class_colours and label:
                translated = self.class_colours(translated, pixels, decode_ids(label["bytes"]))
            if self.camera:
                translated = self.camera(translated, self.choice.lot(f"noise of {row['key']}"))
            return translated

        return [partial(finish, row=row, pixels=pixels) for row, pixels in given]

    def _finish(self, frame: _Frame, result: FrameResult, encode: Callable[[Row, np.ndarray], None]) -> None:
        height, width = result.pixels.shape[:2]
        if not result.size:
            raise PassingError(f"is {width}x{height}: the device has too little memory for it, even by itself")
        if not result.finite:
            raise HflowError("comes out of the network as values that are not numbers")
        consistency = None
        if self.judge and result.seen:
            classes, (before, after) = self.judge.classes, result.seen
            consistency = segment_scores(confusion_matrix(after, before, len(classes)), classes)["mIoU"]
        batch = result.size if result.halved else None
        frame.row |= {"ssim": result.similarity, "consistency": consistency, "batch": batch}
        if consistency is not None and consistency < self.min_consistency:
            raise HflowError(
                f"the judge sees something else after translation: consistency {consistency:.3f}, under "
                f"translate.min_consistency ({self.min_consistency})"
            )
        encode(frame.row, result.pixels)


def _checked(row: Row, decode: Callable[[Row], np.ndarray]) -> np.ndarray:
    pixels = decode(row)
    check_frame_size(pixels.shape[1], pixels.shape[0])
    return pixels


def _frame(row: Row, pixels: Future[np.ndarray]) -> _Frame:
    try:
        return _Frame(row, pixels.result())
    except HflowError as error:
        return _Frame(row, None, error)


def _outcome(frame: _Frame, finished: Future[None] | None) -> tuple[Row, HflowError | None]:
    if finished is not None:
        try:
            finished.result()
        except HflowError as error:
            return frame.row, error
    return frame.row, frame.fault

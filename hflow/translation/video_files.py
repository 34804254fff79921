"""Video files by PyAV, which is FFmpeg's libraries: frames in, frames out, what else there is passed on."""

import contextlib
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hflow.foundation.errors import HflowError

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["VIDEO_SUFFIXES", "VideoReader", "VideoWriter", "is_video"]

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
VIDEO_SUFFIXES = tuple(FORMATS)
"""The endings of what is written."""

READ = (*VIDEO_SUFFIXES, ".avi", ".mpg", ".mpeg", ".ts", ".webm", ".wmv")

# Numbers of ITU-T H.273, as FFmpeg has them.
_BT709, _UNKNOWN, _BT601 = 1, 2, (5, 6)
_RGB = 0
_MORE_THAN_8_BITS = {16: "PQ", 18: "HLG"}
_HD = 720
"""Rows from which on players take a picture that doesn't say it for one in the colours of BT.709."""

QUALITY = "18"
"""x264's constant rate factor that is said to look like what was given."""


def is_video(path: Path) -> bool:
    """Whether a path is a file that is called as videos are."""
    return path.suffix.lower() in READ and path.is_file()


class VideoReader:
    """A video's first stream of pictures, and the packets of its sound.

    Args:
        path: of the file; it is open inside the context.

    Attributes:
        size: (width, height) of a frame once it is turned upright.
        count: how many frames the file says it has, or about; 0 where it says nothing.
        rate, time_base: frames a second on average; seconds a time stamp.
        pixel_aspect: width to height of a pixel once it is turned upright; None where the file says nothing.
        sound: the streams of sound.
        passed_on: their packets as they come, in order.

    Raises:
        HflowError: PyAV is not installed; or, inside the context, the file is no video or damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        self.passed_on: deque[Any] = deque()
        self._packets = self._end = 0

    def __enter__(self) -> "VideoReader":
        self._av = _imported()
        with self._named():
            self._file = self._av.open(str(self.path))
        try:
            if not self._file.streams.video:
                raise HflowError(f"{self.path} has no pictures: name a video")
            self._stream = self._file.streams.video[0]
            self._stream.thread_type = "AUTO"
            self.sound = list(self._file.streams.audio)
            self.time_base = self._stream.time_base
            self.rate = Fraction(self._stream.average_rate or self._stream.guessed_rate or 25)
            seconds = (self._file.duration or 0) / self._av.time_base
            self.count = self._stream.frames or round(seconds * self.rate)
            self._frames = self._read()
            first = next(self._frames, None)
            if first is None:
                raise HflowError(f"{self.path} has no picture that can be decoded: name a whole video")
            self._first = first
            turned = first.rotation % 180 != 0
            self.size = (first.height, first.width) if turned else (first.width, first.height)
            aspect = self._stream.sample_aspect_ratio
            self.pixel_aspect = 1 / aspect if aspect and turned else aspect
            self.matrix = _BT709 if _is_bt709(first) else _BT601[0]
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def frames(self) -> Iterator["VideoFrame"]:
        """The frames in the order they are shown in, each with its time stamp, once."""
        yield self._first
        yield from self._frames

    def pixels(self, frame: "VideoFrame") -> np.ndarray:
        """A frame's pixels, (H, W, 3), uint8, upright.

        Raises:
            HflowError: it is damaged, or of colours that 8 bits don't show.
        """
        if frame.is_corrupt:
            raise HflowError("is damaged")
        wide = _MORE_THAN_8_BITS.get(frame.color_trc)
        if wide:
            raise HflowError(f"is of high dynamic range ({wide}): bring it to 8 bits first")
        source = None if frame.colorspace == _RGB else self.matrix
        pixels = frame.to_ndarray(format="rgb24", src_colorspace=source)  # (H, W, 3)
        return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))

    def _read(self) -> Iterator["VideoFrame"]:
        shown = 0
        with self._named():
            for packet in self._file.demux(self._stream, *self.sound):
                if packet.stream.type == "audio":
                    if packet.dts is not None:
                        self.passed_on.append(packet)
                    continue
                if packet.size:
                    self._packets += 1
                    stamp = packet.dts if packet.pts is None else packet.pts
                    self._end = max(self._end, (stamp or 0) + (packet.duration or 0))
                for frame in packet.decode():
                    if frame.pts is None:
                        frame.pts = round(shown / self.rate / self.time_base)
                    shown += 1
                    yield frame
        if self._is_cut_off():
            raise HflowError(
                f"{self.path} ends after {self._packets} of the {self._stream.frames} frames that it says it has: "
                "it is cut off, give it whole"
            )

    def _is_cut_off(self) -> bool:
        """Whether the packets that have come end more than a frame before the time that the file says.

        By their number alone a trimmed video would be: its file counts frames too that its edit list leaves out.
        """
        stream = self._stream
        if self._packets >= stream.frames or stream.duration is None:
            return self._packets < stream.frames
        return self._end + 1 / (self.rate * self.time_base) < (stream.start_time or 0) + stream.duration

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except self._av.FFmpegError as error:
            raise HflowError(f"{self.path} can't be read as a video: {error.strerror or error}") from None


class VideoWriter:
    """A file of H.264 and the sound that a reader passes on; it is whole when the context ends.

    Args:
        place: the file to write.
        name: what it will be called, whose ending, one of VIDEO_SUFFIXES, says its format.
        reader: the video that it is made of.

    Raises:
        HflowError: inside the context, the format does not hold the sound.
    """

    def __init__(self, place: Path, name: Path, reader: VideoReader):
        self.name, self._reader, self._place = name, reader, place
        self._format = FORMATS[name.suffix.lower()]

    def __enter__(self) -> "VideoWriter":
        self._av = _imported()
        options = {} if self._format == "matroska" else {"movflags": "+faststart"}
        with self._named():
            self._file = self._av.open(str(self._place), "w", format=self._format, options=options)
            self._stream = self._file.add_stream("libx264", rate=self._reader.rate, options={"crf": QUALITY})
            self._stream.width, self._stream.height = self._reader.size
            # Half the colours need even sides.
            even = all(side % 2 == 0 for side in self._reader.size)
            self._stream.pix_fmt = "yuv420p" if even else "yuv444p"
            self._stream.time_base = self._stream.codec_context.time_base = self._reader.time_base
            self._stream.codec_context.colorspace = self._reader.matrix
            if self._reader.pixel_aspect:
                self._stream.codec_context.sample_aspect_ratio = self._reader.pixel_aspect
            self._sound = {sound.index: self._file.add_stream_from_template(sound) for sound in self._reader.sound}
            self._file.start_encoding()
        return self

    def __exit__(self, *error: object) -> None:
        with self._named():
            if error[0] is None:
                self._pass_on()
                self._file.mux(self._stream.encode(None))
            self._file.close()

    def frame(self, pixels: np.ndarray, given: "VideoFrame") -> "VideoFrame":
        """Pixels, (H, W, 3), uint8, as a frame to write, at the time of the one that it is made of."""
        made = self._av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format=self._stream.pix_fmt, dst_colorspace=self._reader.matrix, dst_color_range=1
        )
        made.pts, made.time_base = given.pts, self._reader.time_base
        return made

    def write(self, frame: "VideoFrame") -> None:
        """Write a frame, and the sound that has come before it; frames come in their order."""
        with self._named():
            self._pass_on()
            self._file.mux(self._stream.encode(frame))

    def _pass_on(self) -> None:
        while self._reader.passed_on:
            packet = self._reader.passed_on.popleft()
            packet.stream = self._sound[packet.stream.index]
            self._file.mux(packet)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError:  # the disk is full
            raise
        except self._av.FFmpegError as error:
            kinds = ", ".join(sound.codec_context.name for sound in self._reader.sound) or "none"
            raise HflowError(
                f"{self.name} can't be written: {error.strerror or error}; its sound is {kinds}: name a file that ends "
                "in .mkv, which holds any"
            ) from None


def _is_bt709(frame: "VideoFrame") -> bool:
    return frame.colorspace == _BT709 or (frame.colorspace == _UNKNOWN and frame.height >= _HD)


def _imported() -> Any:
    try:
        import av
    except ImportError:
        raise HflowError('videos need PyAV, which is not installed: `uv pip install "hflow[video]"`') from None
    return av

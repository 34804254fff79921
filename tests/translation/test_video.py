"""`hflow translate drive.mp4 out.mp4`: frames in order in one style, sound and time stamps as they were."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.foundation.errors import HflowError
from hflow.model.store import TrainedModel, load_model
from hflow.translation.translator import Translator
from hflow.translation.video import translate_video
from tests.models import write_model
from tests.pictures import random_picture

FRAMES, SIZE, TIME_BASE = 24, (48, 32), Fraction(1, 600)


def _clip(
    path: Path,
    size: tuple[int, int] = SIZE,
    *,
    sound: bool = True,
    pause: int = 0,
    apart: int = 250,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """A second of 24 pictures, the last so many ticks late, with a tone; whole pictures come so many frames apart."""
    with av.open(path, "w") as file:
        stream = file.add_stream("libx264", rate=24, options={"crf": "1", "g": str(apart)})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        tone = file.add_stream("aac", rate=48000, layout="mono") if sound else None
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(random_picture(number, size), format="rgb24")
            frame.pts, frame.time_base = 25 * number + pause * (number == FRAMES - 1), TIME_BASE
            file.mux(stream.encode(frame))
        if tone:
            for start in range(0, 48000, 1024):
                wave = np.sin((start + np.arange(1024, dtype=np.float32)) * 0.06).astype(np.float32)[None]
                heard = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                heard.sample_rate, heard.pts, heard.time_base = 48000, start, Fraction(1, 48000)
                file.mux(tone.encode(heard))
            file.mux(tone.encode(None))
        file.mux(stream.encode(None))
    return path


def _stamps(path: Path) -> list[Fraction]:
    with av.open(path) as file:
        return [frame.pts * frame.time_base for frame in file.decode(video=0)]


def _pixels(path: Path) -> list[np.ndarray]:
    with av.open(path) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def _sound(path: Path) -> bytes:
    with av.open(path) as file:
        return b"".join(bytes(packet) for packet in file.demux(audio=0) if packet.size)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _clip(tmp_path_factory.mktemp("clip") / "drive.mp4", pause=50)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return load_model(write_model(tmp_path_factory.mktemp("model") / "model"))


@pytest.fixture(scope="module")
def translated(clip: Path, small_model: TrainedModel) -> Path:
    out = clip.with_name("out.mp4")
    assert translate_video(clip, out, small_model)["frames"] == FRAMES
    return out


def test_frames_keep_their_number_order_and_time_stamps(clip: Path, translated: Path) -> None:
    assert len(_stamps(clip)) == FRAMES
    assert _stamps(translated) == _stamps(clip)
    with av.open(translated) as file:
        assert file.streams.video[0].codec_context.name == "h264"


def test_the_sound_is_the_same_packet_for_packet(clip: Path, translated: Path) -> None:
    assert _sound(translated) == _sound(clip) != b""


def test_frames_are_those_of_the_network_in_order_and_one_style(
    clip: Path, small_model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    styles: list[int] = []
    outputs: list[torch.Tensor] = []
    plain = Translator.translate_checked

    def seen(self: Translator, frames: torch.Tensor, choice: list[int]) -> torch.Tensor:
        styles.extend(choice)
        outputs.append(plain(self, frames, choice))
        return outputs[-1].clone()

    monkeypatch.setattr(Translator, "translate_checked", seen)
    translate_video(clip, tmp_path / "out.mkv", small_model)
    assert len(styles) == FRAMES
    assert len(set(styles)) == 1
    wanted = torch.cat(outputs).permute(0, 2, 3, 1)  # (F, H, W, 3)
    made = torch.from_numpy(np.stack(_pixels(tmp_path / "out.mkv"))) / 255
    apart = (wanted[:, None] - made[None]).abs().mean(dim=(2, 3, 4))  # (F, F)
    assert apart.argmin(dim=1).tolist() == list(range(FRAMES))
    # H.264 halves the colours, so that small pictures come back a little off.
    assert apart.diagonal().max() < 0.04


@pytest.mark.parametrize(("name", "size"), [("odd.mkv", (48, 32)), ("plain.mov", (64, 32))])
def test_other_formats_and_videos_without_sound_are_written(
    tmp_path: Path, small_model: TrainedModel, name: str, size: tuple[int, int]
) -> None:
    clip = _clip(tmp_path / "drive.mp4", size, sound=False)
    translate_video(clip, tmp_path / name, small_model)
    with av.open(tmp_path / name) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == size
        assert not file.streams.audio


def test_what_is_no_whole_video_is_named(
    clip: Path, translated: Path, tmp_path: Path, small_model: TrainedModel
) -> None:
    whole = clip.read_bytes()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    for name in ("text.mp4", "cut.mp4"):
        with pytest.raises(HflowError, match=rf"{name} can't be read as a video"):
            translate_video(tmp_path / name, tmp_path / "out.mp4", small_model)
    (tmp_path / "cut.mp4").write_bytes(translated.read_bytes()[:-9000])
    with pytest.raises(HflowError, match=r"cut\.mp4 ends after \d+ of the 24 frames"):
        translate_video(tmp_path / "cut.mp4", tmp_path / "out.mp4", small_model)
    with pytest.raises(HflowError, match=r"out\.gif is no name of a video"):
        translate_video(clip, tmp_path / "out.gif", small_model)
    with pytest.raises(HflowError, match="the video itself"):
        translate_video(clip, clip, small_model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.mp4", "text.mp4"]


def _trimmed(clip: Path, place: Path, start: float, seconds: float) -> Path:
    """A copy whose edit list (ISO/IEC 14496-12, section 8.6.6) shows so many seconds of the picture from `start` on."""
    content = bytearray(clip.read_bytes())
    entry = content.index(b"elst") + 12
    with av.open(clip) as file:
        ticks = file.streams.video[0].time_base.denominator
    (first,) = struct.unpack_from(">i", content, entry + 4)
    struct.pack_into(">Ii", content, entry, round(1000 * seconds), first + round(start * ticks))
    place.write_bytes(content)
    return place


@pytest.mark.parametrize(("start", "seconds"), [(0, 0.5), (0.5, 0.5), (0.3, 0.4), (0.51, 0.49)])
def test_a_trimmed_video_is_whole(tmp_path: Path, small_model: TrainedModel, start: float, seconds: float) -> None:
    clip = _trimmed(_clip(tmp_path / "drive.mp4", sound=False, apart=4), tmp_path / "cut.mp4", start, seconds)
    with av.open(clip) as file:
        assert sum(packet.size > 0 for packet in file.demux()) < FRAMES
    shown = _stamps(clip)
    assert translate_video(clip, tmp_path / "out.mp4", small_model)["frames"] == len(shown) < FRAMES


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_pixels_that_are_not_square_keep_their_shape(
    tmp_path: Path, small_model: TrainedModel, turned: bool, ending: str
) -> None:
    clip, out = _clip(tmp_path / "drive.mp4", sound=False, pixel_aspect=Fraction(4, 3)), tmp_path / f"out.{ending}"
    if turned:
        content = bytearray(clip.read_bytes())
        # The matrix of a turn by 90 degrees (ISO/IEC 14496-12, section 8.3.2), in 16.16 and 2.30.
        struct.pack_into(">9i", content, content.index(b"tkhd") + 44, 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
        clip.write_bytes(content)
    translate_video(clip, out, small_model)
    with av.open(out) as file:
        shown = file.streams.video[0]
        assert (shown.width, shown.height) == (SIZE[::-1] if turned else SIZE)
        assert shown.sample_aspect_ratio == (Fraction(3, 4) if turned else Fraction(4, 3))


def test_an_interrupted_run_leaves_no_file(
    clip: Path, tmp_path: Path, small_model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(99))
    plain = Translator.translate_checked

    def stopped(self: Translator, *arguments: object) -> object:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(Translator, "translate_checked", stopped)
    with pytest.raises(KeyboardInterrupt):
        translate_video(clip, tmp_path / "out.mp4", small_model)
    assert not list(tmp_path.iterdir())


def test_the_command_takes_a_video(clip: Path, tmp_path: Path) -> None:
    model, out = write_model(tmp_path / "model"), tmp_path / "out.mp4"
    arguments = ["translate", str(clip), str(out), "--model", str(model), "--device", "cpu"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert len(_stamps(out)) == FRAMES
    assert isinstance(CliRunner().invoke(app, [*arguments, "--suffix", "x"]).exception, HflowError)

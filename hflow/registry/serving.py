"""The registered model: frames in, frames out. MLflow loads this file as the model's code, without a pickle.

A model is saved by `save_translator` and loaded by `mlflow.pyfunc.load_model`, on any machine that has the packages in
its requirements.txt; this project's own source travels with it.
"""

import base64
import threading
from collections.abc import Mapping
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, set_model
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PythonModel, save_model
from mlflow.types import ParamSchema, ParamSpec

from hflow.datasets.images import encode_png, open_rgb
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.foundation.devices import pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import SMALLEST_SIDE
from hflow.foundation.free_memory import free_memory
from hflow.model.store import load_model
from hflow.translation.translator import Translator, uncompiled

__all__ = ["RegisteredTranslator", "model_folder", "save_translator"]

ARTIFACT = "hflow"
"""The artifact of a registered model that is the folder of `hflow.model.store`."""

COLUMN = "image"

MOST_PIXELS = 3840 * 2160
"""Of a frame, where the model's configuration says nothing of `max_pixels`."""

PACKAGES = ("mlflow", "numpy", "pandas", "pillow", "psutil", "rich", "safetensors", "torch")


class RegisteredTranslator(PythonModel):
    """A translator as MLflow calls it.

    `predict` takes one frame or many and gives as many, of the same size and kind:

    - an array, uint8 (H, W, 3) or (B, H, W, 3), or of floats in [0, 1];
    - encoded images, PNG, JPEG, WebP, BMP or TIFF, as bytes, base64 text or data URIs, in an array of objects; each
      comes back as the bytes of a PNG;
    - an array of objects of arrays (H, W, 3) that differ in size.

    A DataFrame or a dictionary holds them in its one column, `image`.

    A frame has at most `max_pixels` of the model's configuration, and translating it must fit into the memory that is
    free.

    A frame's style is chosen by the hash of its content and of `params={"seed": ...}`, so that it does not depend on
    what else is in the batch.
    """

    def load_context(self, context: Any) -> None:
        config = context.model_config or {}
        device = pick_device(str(config.get("device", "auto")))
        self._max_pixels = int(config.get("max_pixels", MOST_PIXELS))
        model = load_model(Path(context.artifacts[ARTIFACT]))
        self._translator = Translator(model, device=device, backend=uncompiled(device))
        # One translator serves one thread at a time, a server may call from several.
        self._lock = threading.Lock()

    # MLflow hands a context to those methods only that name one.
    def predict(  # type: ignore[override]
        self, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """See the class.

        Raises:
            HflowError: the input is no frame; what is wrong with it is said.
        """
        try:
            return self._predict(model_input, int((params or {}).get("seed", 0)))
        except HflowError as error:
            raise _RefusalError(str(error)) from None

    def _predict(self, model_input: Any, seed: int) -> np.ndarray:
        given = np.atleast_1d(np.asarray(_images(model_input)))
        if given.dtype.kind in "US":
            # NumPy pads texts and bytes to one length: as objects they are what they were.
            given = given.astype(object)
        if given.dtype == object and given.size and isinstance(given.flat[0], bytes | str | np.ndarray):
            return _objects([self._translate(value, seed) for value in given.flat])
        pixels = _pixels(given)
        if pixels.ndim == 3:
            return self._translate_pixels(pixels, seed)
        return np.stack([self._translate_pixels(frame, seed) for frame in pixels])

    def _translate(self, value: Any, seed: int) -> np.ndarray | bytes:
        if isinstance(value, np.ndarray):
            return self._translate_pixels(_pixels(value), seed)
        if not isinstance(value, str | bytes):
            raise HflowError(f"an encoded image comes as bytes or as base64 text, not as {type(value).__name__}")
        content = _decoded(value) if isinstance(value, str) else value
        try:
            pixels = np.asarray(open_rgb(content, max_pixels=self._max_pixels))  # (H, W, 3)
        except HflowError as error:
            raise HflowError(f"the image {error}") from None
        return encode_png(self._translate_pixels(pixels, seed))

    def _translate_pixels(self, pixels: np.ndarray, seed: int) -> np.ndarray:
        """A frame (H, W, 3), uint8 or floats in [0, 1], to the same."""
        if pixels.ndim != 3 or pixels.shape[2] != 3 or min(pixels.shape[:2]) < SMALLEST_SIDE:
            first = (
                ": its channels come first, and are to come last" if pixels.ndim == 3 and pixels.shape[0] == 3 else ""
            )
            raise HflowError(f"a frame is (H, W, 3), H and W at least {SMALLEST_SIDE}, not {pixels.shape}{first}")
        self._check_room(*pixels.shape[:2])
        whole = pixels.dtype == np.uint8
        frame = to_tensor(pixels) if whole else torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)
        mark = sha256(f"{seed}:".encode() + to_pixels(frame).tobytes()).digest()
        style = int.from_bytes(mark[:8]) % len(self._translator.styles.keys)
        with self._lock:
            output = self._translator(frame[None], [style])[0].float().cpu()  # (3, H, W)
        return to_pixels(output) if whole else output.permute(1, 2, 0).contiguous().numpy()  # (H, W, 3)

    def _check_room(self, height: int, width: int) -> None:
        """See that a frame is no larger than is allowed, and than there is memory for."""
        if width * height > self._max_pixels:
            raise HflowError(f"a frame has at most {self._max_pixels:,} pixels, this one is {width}x{height}")
        needed, free = self._translator.bytes_needed(height, width), free_memory()
        if needed and needed > free:
            raise HflowError(
                f"translating {width}x{height} takes {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free"
            )


class _RefusalError(HflowError, MlflowException):
    """What is wrong with the input, as MLflow's server tells it: it would write the whole input before the reason."""

    def __init__(self, reason: str):
        self._reason = reason
        MlflowException.__init__(self, reason, error_code=BAD_REQUEST)

    @property
    def message(self) -> str:
        return self._reason

    @message.setter
    def message(self, _: str) -> None:
        """Leaves the reason as it is."""


def _images(given: Any) -> Any:
    """The column of images, of a DataFrame or a dictionary; anything else as it is."""
    columns = list(given) if isinstance(given, Mapping) else getattr(given, "columns", None)
    if columns is None:
        return given
    if list(columns) != [COLUMN]:
        named = ", ".join(str(name) for name in columns)[:200]
        raise HflowError(f"the one column of the input is {COLUMN!r}, not {named}")
    return given[COLUMN]


def save_translator(model: Path, out: Path, *, pictures: Mapping[str, Path] | None = None) -> None:
    """Save a model folder as an MLflow model that needs nothing else of this project.

    Args:
        model: a folder of `hflow.model.store`.
        out: the folder to write.
        pictures: files to lay beside the model, by name.
    """
    model = model.resolve()
    trained = load_model(model)
    example = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    save_model(
        out,
        python_model=str(Path(__file__).resolve()),
        artifacts={ARTIFACT: str(model)},
        code_paths=[str(Path(__file__).resolve().parents[1])],
        # Inputs without a schema: none of MLflow's takes arrays of any size, encoded images and columns of them.
        signature=ModelSignature(params=ParamSchema([ParamSpec("seed", "integer", 0)])),
        input_example=example,
        pip_requirements=[f"{name}=={metadata.version(name).partition('+')[0]}" for name in PACKAGES],
        metadata={"model_sha256": trained.sha256},
        model_config={"device": "auto", "max_pixels": MOST_PIXELS},
    )
    for name, picture in (pictures or {}).items():
        (out / name).write_bytes(picture.read_bytes())


def model_folder(saved: Path) -> Path:
    """The folder of `hflow.model.store` inside a saved MLflow model.

    Raises:
        HflowError: the MLflow model is not one of `save_translator`.
    """
    config = Model.load(saved).flavors.get("python_function", {})
    try:
        return Path(saved) / config["artifacts"][ARTIFACT]["path"]
    except KeyError:
        raise HflowError(f"{saved} is an MLflow model, but none that `hflow release` made") from None


def _pixels(given: np.ndarray) -> np.ndarray:
    """Frames as uint8 or as floats in [0, 1]; whole numbers as JSON has them become uint8."""
    if given.dtype == object:
        try:
            given = np.array(given.tolist())
        except ValueError:
            raise HflowError("frames of one array have one size: what is given differs in its lengths") from None
    if given.dtype.kind == "f" and np.isnan(given).any():
        raise HflowError("frames hold numbers, and one of these is NaN")
    if given.dtype.kind in "iu" and given.size and given.min() >= 0 and given.max() <= 255:
        return given.astype(np.uint8)
    if given.dtype.kind == "f" and given.size and given.min() >= 0 and given.max() <= 1:
        return given
    raise HflowError("frames are arrays of whole numbers from 0 to 255 or of floats from 0 to 1, or encoded images")


def _decoded(text: str) -> bytes:
    """The bytes of base64 text: of either alphabet, padded or not, as it is or as a data URI."""
    head, comma, body = text.partition(",")
    if comma and not (head.startswith("data:") and head.endswith(";base64")):
        raise HflowError("an encoded image comes as bytes, as base64 text, or as a data URI that says ;base64")
    bare = "".join((body if comma else text).split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        raise HflowError("an encoded image comes as bytes, or as base64 text") from None


def _objects(values: list[Any]) -> np.ndarray:
    result = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        result[place] = value
    return result


set_model(RegisteredTranslator())

"""The registered model: frames in, frames out, for any size and kind of frame, without the repository."""

import base64
import contextlib
import io
import json
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import requests
from mlflow.pyfunc import scoring_server
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from hflow.datasets.images import decode_rgb, encode_png
from hflow.foundation.errors import HflowError
from hflow.registry.serving import model_folder, save_translator
from tests.models import write_model
from tests.pictures import random_picture
from tests.servers import free_port, served


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serving")
    save_translator(write_model(folder / "model"), folder / "saved")
    return folder / "saved"


@pytest.fixture(scope="module")
def model(saved: Path) -> mlflow.pyfunc.PyFuncModel:
    return mlflow.pyfunc.load_model(str(saved), model_config={"device": "cpu"})


@pytest.mark.parametrize("size", [(48, 24), (17, 31)])
def test_one_frame_of_any_size_gives_one_of_its_size(model: mlflow.pyfunc.PyFuncModel, size: tuple[int, int]) -> None:
    frame = random_picture(0, size)
    output = model.predict(frame)
    assert (output.shape, output.dtype) == (frame.shape, np.uint8)
    assert (output != frame).any()


def test_a_batch_gives_what_its_frames_give_alone(model: mlflow.pyfunc.PyFuncModel) -> None:
    frames = np.stack([random_picture(i) for i in range(3)])
    output = model.predict(frames)
    assert output.shape == frames.shape
    for frame, out in zip(frames, output, strict=True):
        np.testing.assert_array_equal(model.predict(frame), out)


def test_floats_give_floats(model: mlflow.pyfunc.PyFuncModel) -> None:
    frame = random_picture(0)
    output = model.predict(frame / 255)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output * 255, model.predict(frame), atol=0.51)


def test_encoded_images_give_pngs_of_the_same(model: mlflow.pyfunc.PyFuncModel) -> None:
    frames = [random_picture(0), random_picture(1, (32, 40))]
    pngs = [encode_png(frame) for frame in frames]
    texts = [base64.b64encode(png).decode() for png in pngs]
    for given in (pd.DataFrame({"image": pngs}), np.array(pngs, dtype=object), np.array(texts)):
        for frame, out in zip(frames, model.predict(given), strict=True):
            np.testing.assert_array_equal(decode_rgb(out), model.predict(frame))


def test_arrays_of_different_sizes_go_together(model: mlflow.pyfunc.PyFuncModel) -> None:
    frames = np.empty(2, dtype=object)
    frames[:] = [random_picture(0), random_picture(1, (32, 40))]
    assert [out.shape for out in model.predict(frames)] == [(24, 48, 3), (40, 32, 3)]


def test_the_seed_chooses_another_style(model: mlflow.pyfunc.PyFuncModel) -> None:
    frame = random_picture(0)
    outputs = {model.predict(frame, params={"seed": seed}).tobytes() for seed in range(9)}
    assert len(outputs) == 3


def _encoded(kind: str, size: tuple[int, int]) -> np.ndarray:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, kind)
    return np.array([buffer.getvalue()], dtype=object)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((24, 48)), "not"),
        (np.zeros((8, 8, 3)), "at least 16"),
        (np.full((24, 48, 3), 300), "0 to 255"),
        (np.array([b"no image"], dtype=object), "not an image"),
        (np.array(["no base64!"], dtype=object), "base64"),
        (pd.DataFrame({"picture": ["aGVsbG8="]}), "'image', not picture"),
        (pd.DataFrame({"image": ["aGVsbG8="], "more": [1]}), "'image', not image, more"),
        ({"picture": np.array(["aGVsbG8="])}, "'image', not picture"),
        (np.zeros((3, 24, 48)), "channels come first"),
        (np.full((24, 48, 3), np.nan), "NaN"),
        (np.array([encode_png(random_picture(0)), None], dtype=object), "not as NoneType"),
        (np.array([[1, 2], [3]], dtype=object), "differs in its lengths"),
        (np.array([{"a": 1}]), "encoded images"),
        (np.array(["data:image/png,abc"]), "data URI that says ;base64"),
        (_encoded("EPS", (48, 24)), "of a kind that is read"),
        (_encoded("PNG", (4000, 2200)), "too many pixels: it is 4000x2200, the most is 8,294,400"),
        (np.zeros((2200, 4000, 3), np.uint8), "at most 8,294,400 pixels"),
    ],
)
def test_what_is_no_frame_is_refused(model: mlflow.pyfunc.PyFuncModel, given: Any, message: str) -> None:
    with pytest.raises(HflowError, match=message):
        model.predict(given)


def test_base64_of_either_alphabet_with_and_without_padding_and_data_uris_are_read(
    model: mlflow.pyfunc.PyFuncModel,
) -> None:
    frame = next(f for f in map(random_picture, range(99)) if base64.b64encode(encode_png(f)).endswith(b"="))
    text = base64.b64encode(encode_png(frame)).decode()
    assert set("+/") <= set(text)
    safe = text.replace("+", "-").replace("/", "_")
    for given in (text, safe, text.rstrip("="), safe.rstrip("="), f"data:image/png;base64,{text}"):
        (png,) = model.predict(np.array([given]))
        np.testing.assert_array_equal(decode_rgb(png), model.predict(frame))


def test_the_limit_of_pixels_is_a_parameter_and_the_memory_another(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"device": "cpu", "max_pixels": 48 * 24}
    small = mlflow.pyfunc.load_model(str(saved), model_config=config)
    small.predict(random_picture(0))
    with pytest.raises(HflowError, match="at most 1,152 pixels"):
        small.predict(random_picture(0, (48, 25)))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(HflowError, match=r"48x24 takes .* GB of memory"):
        small.predict(random_picture(0))


def test_nothing_in_it_is_a_pickle_and_its_requirements_are_pinned(saved: Path) -> None:
    kinds = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert kinds <= {"", ".css", ".j2", ".js", ".json", ".py", ".safetensors", ".txt", ".yaml"}
    assert all("==" in line for line in (saved / "requirements.txt").read_text().splitlines())
    assert sorted(p.suffix for p in model_folder(saved).iterdir()) == [".json", ".safetensors", ".safetensors"]


def test_it_loads_on_a_cpu_with_its_requirements_alone(saved: Path, tmp_path: Path) -> None:
    """Without the repository, and without a package that its requirements.txt does not bring."""
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        if name in {_not_required(saved)!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent)\n"
        "import mlflow, numpy as np\n"
        f"model = mlflow.pyfunc.load_model({str(saved)!r})\n"
        "print(model.predict(np.zeros((20, 30, 3), np.uint8)).shape)\n"
        "import hflow; print(hflow.__file__)\n"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["(20, 30, 3)", str(saved / "code/hflow/__init__.py")]
    assert "Warning" not in done.stderr


def _not_required(saved: Path) -> set[str]:
    """The modules installed here that come with none of the model's requirements, nor with theirs."""
    wanted = [Requirement(line) for line in (saved / "requirements.txt").read_text().splitlines()]
    brought: set[str] = set()
    while wanted:
        name = canonicalize_name(wanted.pop().name)
        if name not in brought:
            brought.add(name)
            with contextlib.suppress(metadata.PackageNotFoundError):
                needed = [Requirement(line) for line in metadata.requires(name) or []]
                wanted += [r for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    installed = metadata.packages_distributions().items()
    others = {m for m, names in installed if not brought & {canonicalize_name(name) for name in names}}
    # Some packages bring old copies of modules that Python has.
    return others - {"hflow"} - sys.stdlib_module_names


def _answer(model: mlflow.pyfunc.PyFuncModel, body: Any) -> Any:
    """What MLflow's server makes of a request, without the network; an error as its body."""
    try:
        answer = scoring_server.invocations(
            json.dumps(body), "application/json", model, model.metadata.get_input_schema()
        )
    except mlflow.exceptions.MlflowException as error:
        return json.loads(error.serialize_as_json())
    return json.loads(answer.response)["predictions"]


def test_every_form_of_request_of_mlflows_clients_is_answered(model: mlflow.pyfunc.PyFuncModel) -> None:
    frame = random_picture(0)
    text = base64.b64encode(encode_png(frame)).decode()
    bodies: list[dict[str, Any]] = [
        {"inputs": [text]},
        {"inputs": {"image": [text]}},
        {"inputs": {"image": text}},
        {"instances": [text]},
        {"instances": [{"image": text}]},
        {"dataframe_split": {"columns": ["image"], "data": [[text]]}},
        {"dataframe_records": [{"image": text}]},
    ]
    for body in bodies:
        (picture,) = _answer(model, body | {"params": {"seed": 0}})
        np.testing.assert_array_equal(decode_rgb(base64.b64decode(picture)), model.predict(frame))
    for name in ("inputs", "instances"):
        np.testing.assert_array_equal(_answer(model, {name: frame.tolist()}), model.predict(frame))


def test_a_refusal_says_why_in_its_message_and_does_not_send_the_picture_back(
    model: mlflow.pyfunc.PyFuncModel,
) -> None:
    text = base64.b64encode(bytes(range(256)) * 9).decode()
    for body in ({"inputs": [text]}, {"instances": [{"image": text}]}, {"dataframe_records": [{"image": text}]}):
        said = _answer(model, body)
        assert said["error_code"] == "BAD_REQUEST"
        assert "not an image" in said["message"]
        assert text not in json.dumps(said)


@pytest.mark.end_to_end
def test_mlflow_serves_it_over_http_and_a_worker_that_is_killed_comes_back(
    saved: Path, model: mlflow.pyfunc.PyFuncModel, tmp_path: Path
) -> None:
    frame = random_picture(0)
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", str(saved), "--env-manager", "local", "--port", str(port)]
    command += ["--workers", "2"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with served(*command, url=f"http://127.0.0.1:{port}/ping", log=tmp_path / "log", environment={"PATH": path}):
        text = base64.b64encode(encode_png(frame)).decode()
        for body in ({"inputs": [text]}, {"dataframe_split": {"columns": ["image"], "data": [[text]]}}):
            answer = requests.post(f"http://127.0.0.1:{port}/invocations", json=body, timeout=60)
            assert answer.ok, answer.text
            picture = Image.open(io.BytesIO(base64.b64decode(answer.json()["predictions"][0])))
            np.testing.assert_array_equal(np.asarray(picture), model.predict(frame))
        answer = requests.post(f"http://127.0.0.1:{port}/invocations", json={"inputs": frame.tolist()}, timeout=60)
        np.testing.assert_array_equal(answer.json()["predictions"], model.predict(frame))
        killed = _workers()[0]
        killed.kill()
        end = time.monotonic() + 120
        while killed in _workers() or len(_workers()) < 2:
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.2)
        assert requests.get(f"http://127.0.0.1:{port}/ping", timeout=60).ok


def _workers() -> list[psutil.Process]:
    """The processes that serve, below this one."""
    below = psutil.Process().children(recursive=True)
    return [child for child in below if "multiprocessing.spawn" in " ".join(_command(child))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []

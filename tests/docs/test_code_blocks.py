"""What README and docs tell to type can be typed: each line is run here, or by the test that is named for it."""

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import typer
import yaml
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.foundation.params import DomainParams, Params
from hflow.model.store import TrainedModel
from tests.conftest import Project
from tests.pictures import write_folder
from tests.translations import translate

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*/*.md"))]
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)

RUN_HERE = (
    "hflow doctor",
    "hflow init ",
    "hflow check ",
    "hflow verify",
    "hflow export data/",
    "hflow export-model ",
    "hflow translate FRAMES OUT --model models/hflow",
    "hflow picture ",
    "hflow review ",
    "hflow view --out ",
    "hflow compare models/old ",
    "hflow compare data/",
    "hflow evaluate source=data/prepared/source translated=data/translated --out",
)

PIPELINE, DEPLOYMENTS, PROXY = (
    f"tests/{name}.py" for name in ("pipeline/test_pipeline", "flows/test_deployments", "flows/test_proxy")
)
SERVING, DASK, RELEASE = (f"tests/{name}.py" for name in ("registry/test_serving", "clusters", "pipeline/test_release"))
COMPOSE, JOB = "tests/deploy/test_compose.py", "tests/deploy/test_kubernetes_job.py"
STORES = "tests/export/test_stores.py"
LINKS = "tests/pipeline/test_cache_links.py"

ELSEWHERE = {
    "make repro": (PIPELINE, '"flows.sim2real"'),
    "python -m flows.": (PIPELINE, '"flows.sim2real"'),
    "dvc repro": (PIPELINE, '"dvc", "repro"'),
    "dvc exp run": (PIPELINE, '"exp", "run", "--queue", "-S"'),
    "hflow sweep ": ("tests/pipeline/test_sweeps.py", '"sweep", "loss.k'),
    "dvc exp show": (PIPELINE, '"exp", "show"'),
    "dvc push": (PIPELINE, "--run-cache"),
    "dvc remote add": (PIPELINE, '"remote", "add"'),
    "dvc config cache.type": (LINKS, '"config", "cache.type"'),
    "torchrun ": ("tests/training/test_torchrun.py", "torch.distributed.run"),
    "dvc checkout": (LINKS, '"checkout", "--relink"'),
    "dvc metrics": (PIPELINE, '"dvc", "metrics", "diff"'),
    "dvc plots": (PIPELINE, '"dvc", "plots"'),
    "make up": (DEPLOYMENTS, '"flows.up"'),
    "make deploy": (DEPLOYMENTS, '"flows.deploy"'),
    "export HFLOW_FRAMES": ("tests/flows/test_champion.py", "automate_production("),
    "prefect event emit": ("tests/flows/test_champion.py", "tell_of_champion("),
    "export PREFECT_API_URL=...": (DEPLOYMENTS, "PREFECT_API_URL"),
    "prefect deployment run": (DEPLOYMENTS, "create_flow_run"),
    "prefect deployment schedule": (DEPLOYMENTS, '["schedules"]'),
    "prefect flow-run cancel": (DEPLOYMENTS, "CANCELLING"),
    "prefect work-pool create": (JOB, "deploy/kubernetes-job.json"),
    "prefect worker start": (DEPLOYMENTS, "worker-gpu"),
    "make preflight": ("tests/deploy/test_preflight.py", "preflight.findings("),
    "docker build": (COMPOSE, "deploy/Dockerfile"),
    "docker compose": (COMPOSE, '"--net"'),
    "cp deploy/env.example": (COMPOSE, "deploy/env.example"),
    "prefect server": (PROXY, '"prefect", "server", "start"'),
    "export PREFECT_SERVER": (PROXY, "PREFECT_SERVER_API_AUTH_STRING"),
    "export PREFECT_API_URL=https": (PROXY, "PREFECT_API_AUTH_STRING"),
    "export PREFECT_API_SSL": (PROXY, "PREFECT_API_SSL_CERT_FILE"),
    "export MLFLOW_AUTH_CONFIG": (PROXY, "MLFLOW_AUTH_CONFIG_PATH"),
    "export MLFLOW_AUTH_ADMIN": (PROXY, "MLFLOW_AUTH_ADMIN_PASSWORD"),
    "export MLFLOW_TRACKING": (PROXY, "MLFLOW_TRACKING_USERNAME"),
    "mlflow server": (PROXY, '"mlflow", "server"'),
    "openssl": ("tests/certificates.py", '"openssl", "req"'),
    "CUDA_VISIBLE_DEVICES=0 PYTHONPATH": (DEPLOYMENTS, "worker-gpu"),
    "PYTHONPATH": (DEPLOYMENTS, "worker-gpu"),
    "mlflow models serve": (SERVING, '"mlflow", "models", "serve"'),
    "echo": (SERVING, "base64.b64encode"),
    "curl": (SERVING, "/invocations"),
    "dask scheduler": (DASK, '"scheduler"'),
    "CUDA_VISIBLE_DEVICES=0 dask worker": (DASK, '"worker"'),
    "hflow translate": ("tests/translation/engines/test_dask.py", 'engine="dask"'),
    "hflow translate drive.mp4": ("tests/translation/test_video.py", 'arguments = ["translate", str(clip)'),
    "hflow translate GTA": ("tests/translation/test_folder.py", "translate_folder("),
    "hflow release": (RELEASE, "rollback(params)"),
    "hflow compare models:": (RELEASE, 'compare("models:/town/1"'),
    "hflow judge": ("tests/segmentation/test_judge.py", "train_judge("),
    "hflow --install-completion": ("tests/commands/test_completion.py", "hflow --install-completion"),
    "hflow clean": ("tests/pipeline/test_cleaning.py", "clean(remove=True)"),
    "hflow status": ("tests/pipeline/test_stage_states.py", "stage_states("),
    "hflow view": ("tests/review/test_fiftyone_folder.py", '["view"]'),
    "hflow verdicts": ("tests/review/test_tools.py", "collect_verdicts("),
    "hflow label": ("tests/segmentation/test_pseudo_labels.py", "label_shards("),
    "hflow evaluate": ("tests/reports/test_dataset_scores.py", "score_datasets("),
    "hflow translate s3://": ("tests/translation/test_folder_in_a_store.py", '["translate", "s3://town/frames"'),
    "hflow push s3://": (STORES, "push_to_store("),
    "hflow verify s3://": (STORES, '["verify", f"s3://town'),
    "hflow evaluate translated=s3://": ("tests/reports/test_scores_in_a_store.py", "score_datasets("),
    "hflow export s3://": (STORES, '["export", "s3://town'),
    "hflow push": ("tests/export/test_pushing.py", '"hflow", "push"'),
    "hflow export models/segmenters": ("tests/segmentation/test_pseudo_labels.py", "export("),
}
"""The test that does what a line does, and words of it, by how the line begins; the longest that fits."""

NOT_RUN = {
    "make ": "setting up, checking and soaking take minutes; the targets are looked up",
    "pytest": "tests that run here anyway",
    "mkdocs serve": "it runs until it is stopped",
    "mlflow ui": "it runs until it is stopped",
    "prefect flow-run ls": "Prefect's own list",
    "dvc add": "DVC's own, of data that are the reader's",
    "uv venv": "it makes an environment",
    "uv pip install": "it needs the network",
    "lowest/bin/python": "it needs an environment of old packages",
    "source .venv": "it changes the shell alone",
    "docker run": "it needs Docker",
    "helm install": "it needs a cluster",
    "kubectl create": "it needs a cluster",
    "mkdir": "it makes a folder of a server's",
    "git add": "Git's own",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of code, and the page that it stands on."""

    page: str
    language: str
    text: str


BLOCKS = [
    Block(
        page.relative_to(ROOT).as_posix(), language, "\n".join(line.removeprefix(indent) for line in text.split("\n"))
    )
    for page in PAGES
    for indent, language, text in FENCE.findall(page.read_text(encoding="utf-8"))
]


def _lines(language: str) -> list[str]:
    """The commands of all blocks of a language, each once, without comments."""
    found = []
    for block in BLOCKS:
        if block.language == language:
            whole = block.text.replace("\\\n", " ")
            found += [re.sub(r"\s+#.*|^#.*", "", line).strip() for line in whole.split("\n")]
    return [line for line in dict.fromkeys(found) if line]


LINES = _lines("sh")
TYPED_HERE = [line for line in LINES if line.startswith(RUN_HERE) and "s3://" not in line]


@pytest.fixture(scope="module")
def place(project: Project, model: TrainedModel, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of twelve frames after its run, with what the pages suppose to lie beside it."""
    place = tmp_path_factory.mktemp("typed")
    shutil.copytree(project.prepared, place / "data/prepared")
    shutil.copytree(project.sets, place / "data/sets")
    translate(project, model, place / "data", sets=place / "data/sets")
    shutil.copytree(place / "data/translated", place / "data/translated-before")
    for name in ("models/hflow", "models/old"):
        shutil.copytree(model_folder, place / name)
    for name in ("data/gta", "data/gta5", "GTA"):
        shutil.copytree(project.folder / "gta", place / name)
    for name in ("data/cityscapes", "CITYSCAPES"):
        shutil.copytree(project.folder / "cs", place / name)
    cameras = ("data/mine", "data/carla", "data/camvid", "data/cameras", "CAMERA", "CARLA", "CAMVID")
    for name in (*cameras, "data/photographs", "data/paintings", "data/dark", "data/bright"):
        write_folder(place / name, 3)
    write_folder(place / "FRAMES", 3, labels=False)
    (place / "docs").mkdir()
    return place


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("line", TYPED_HERE)
def test_a_command_runs_in_a_small_project(line: str, place: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["segment"] |= {"steps": 2, "batch_size": 2}
    (place / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.rmtree(place / "OUT", ignore_errors=True)
    with chdir(place):
        done = CliRunner().invoke(app, shlex.split(line.replace(" /data/", " data/"))[1:])
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("hflow ") and line[6] != "-"])
def test_a_command_and_its_options_are_there(line: str) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.main.TyperGroup)
    _, name, *arguments = shlex.split(line)
    assert name in group.commands, f"hflow has no command {name}"
    group.commands[name].make_context(name, arguments)


def test_every_other_line_has_its_test_or_its_reason() -> None:
    known = (*RUN_HERE, *ELSEWHERE, *NOT_RUN)
    assert not [line for line in LINES if not line.startswith(known)]
    assert not [start for start in known if not any(line.startswith(start) for line in LINES)], "stands nowhere"
    assert not [start for start, (path, words) in ELSEWHERE.items() if words not in (ROOT / path).read_text()]


def test_every_target_of_make_and_every_path_of_tests_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert not [line for line in LINES if line.startswith("make ") and line.split()[1] not in targets]
    paths = [path for line in LINES if line.startswith("pytest") for path in line.split()[1:]]
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda b: b.text.split("\n")[0])
def test_parameters_are_known_ones(block: Block) -> None:
    """A block is sections of params.yaml, lines `source: ...` of its section data, or the table classes.yaml."""
    sections = {name: field.annotation for name, field in Params.model_fields.items()}
    lines = block.text.strip().split("\n")
    if all(line.startswith("source: ") for line in lines):
        for line in lines:
            DomainParams.model_validate(yaml.safe_load(line)["source"])
        return
    values = yaml.safe_load(block.text)
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, said in values.items():
        if not isinstance(name, int) and name in sections:
            sections[name].model_validate(whole[name] | said)
        else:
            assert block.page.endswith("datasets.md"), name


def test_the_example_in_python_translates(place: Path) -> None:
    (example,) = (b.text for b in BLOCKS if b.language == "python" and b.page == "README.md")
    values = {"frames": torch.rand(1, 3, 24, 32)}
    with chdir(place):
        exec(example, values)
    assert values["out"].shape == values["frames"].shape

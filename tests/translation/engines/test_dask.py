"""A Dask cluster: the same bytes, no frame lost with a worker, and a cluster that is no good is named."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.translation.engines.opening import open_engine
from tests.certificates import has_openssl, self_signed
from tests.clusters import cluster_of_commands, cluster_that_gives_up
from tests.conftest import Project
from tests.translation.engines.running import killing_a_worker, run

TLS_EXAMPLE = Path(__file__).parents[3] / "docs/how-to/dask-tls.yaml"


@pytest.mark.end_to_end
def test_dask_gives_the_same_bytes_also_when_a_worker_is_lost(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    kill = killing_a_worker(tmp_path / "work")
    assert run(project, model_folder, tmp_path, kill, devices=2, engine="dask") == expected


@pytest.mark.end_to_end
def test_a_scheduler_s_address_is_enough_and_its_workers_take_one_shard_at_a_time(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        options = {"engine": "dask", "scheduler": cluster.scheduler_address}
        assert run(project, model_folder, tmp_path, **options) == expected
    with distributed.LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        params = TranslateParams(engine="dask", scheduler=cluster.scheduler_address)
        with pytest.raises(HflowError, match=r"takes 2 shards at once.*--nthreads 1"), open_engine(params):
            pass


@pytest.mark.end_to_end
def test_a_shard_that_dask_gives_up_is_submitted_again(
    project: Project,
    model_folder: Path,
    expected: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("distributed")
    with cluster_that_gives_up(tmp_path / "work") as address:
        assert run(project, model_folder, tmp_path, engine="dask", scheduler=address) == expected
    assert re.search(r"on 1 different workers.*trying again in 1 s", capsys.readouterr().err, re.DOTALL)


@pytest.mark.end_to_end
def test_a_scheduler_that_is_lost_is_named_and_with_a_new_one_the_run_goes_on(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    lost = r"scheduler at tcp://127.0.0.1:\d+ was lost.*run the same command again"
    with cluster_of_commands(dies_at=tmp_path / "work") as address, pytest.raises(HflowError, match=lost):
        run(project, model_folder, tmp_path, engine="dask", scheduler=address)
    finished = {p: p.with_suffix("").stat().st_mtime_ns for p in (tmp_path / "work").glob("*.json")}
    assert finished
    with cluster_of_commands() as address:
        assert run(project, model_folder, tmp_path, engine="dask", scheduler=address) == expected
    assert all(p.with_suffix("").stat().st_mtime_ns == written for p, written in finished.items())


@pytest.mark.end_to_end
@pytest.mark.skipif(not has_openssl(), reason="needs openssl")
def test_a_cluster_with_tls_serves_who_has_its_certificate_alone(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    self_signed(tmp_path / "dask.pem", tmp_path / "dask.key")
    shutil.copy(tmp_path / "dask.pem", tmp_path / "ca.pem")
    config = tmp_path / "dask-tls.yaml"
    config.write_text(TLS_EXAMPLE.read_text().replace("/etc/hflow", str(tmp_path)))
    settings = yaml.safe_load(config.read_text())["distributed"]["comm"]
    trusted = {f"distributed.comm.tls.{name}": value for name, value in settings["tls"].items()}
    with dask.config.set(trusted), cluster_of_commands(config=config) as address:
        assert run(project, model_folder, tmp_path, engine="dask", scheduler=address) == expected
        nothing = {name: None if name.endswith("ca-file") else {"cert": None, "key": None} for name in trusted}
        with dask.config.set(nothing):
            for scheduler in (address, address.replace("tls:", "tcp:")):
                params = TranslateParams(engine="dask", scheduler=scheduler)
                with pytest.raises(HflowError, match="no Dask scheduler at"), open_engine(params):
                    pass


def test_a_scheduler_that_is_not_there_is_named() -> None:
    pytest.importorskip("distributed")
    params = TranslateParams(engine="dask", scheduler="no scheduler")
    with pytest.raises(HflowError, match="no Dask scheduler at 'no scheduler'"), open_engine(params):
        pass

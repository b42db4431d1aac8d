import shutil

import pytest
import torch

from kaslite.telemetry.mlflow_file import make_store


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _untracked():
    """Runs of the tests are tracked only where a test asks for it, by `tracked`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KASLITE_NO_MLFLOW", "true")
        patch.setenv("KASLITE_NO_TENSORBOARD", "true")
        patch.setenv("KASLITE_NO_METRICS", "true")
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def tracked(tmp_path, monkeypatch):
    """Return a folder, the present one, in which runs are tracked as they are where the tools are installed."""
    for name in ("KASLITE_NO_MLFLOW", "KASLITE_NO_TENSORBOARD"):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """Return an MLflow store without runs, to be copied: to make one takes a second."""
    pytest.importorskip("mlflow")
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    make_store(path)
    return path


@pytest.fixture
def store(empty_store, tmp_path, monkeypatch):
    """Return the address of an MLflow store of the test's own, where runs go by default: its folder is the present one."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"

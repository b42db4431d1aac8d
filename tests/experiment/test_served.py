"""The network of a run, loaded by MLflow in a process of its own."""

import json
import sys
from subprocess import run as start

import pytest
import torch

from kaslite.experiment.config import resolve
from kaslite.experiment.network_file import read_network
from kaslite.experiment.run import run
from kaslite.experiment.served import save_mlflow_model

mlflow = pytest.importorskip("mlflow")

GROWN = {
    "n_samples": 80,
    "warm_up_epochs": 1,
    "adaptation_epochs": 4,
    "controller": "schedule",
    "schedule": ["0 blocks.0:0 mlp"],
    "shadow_epochs": 1,
    "blend_steps": 12,
}
LOAD_AND_PREDICT = """
import json, sys
import mlflow.pyfunc, numpy
import torch
torch.set_num_threads(1)
inputs = numpy.array(json.load(sys.stdin), dtype="float32")
print(json.dumps(mlflow.pyfunc.load_model(sys.argv[1]).predict(inputs).tolist()))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    run_dir = run(resolve(GROWN), folder).run_dir
    save_mlflow_model(run_dir, folder / "saved")
    return run_dir, folder / "saved"


@pytest.mark.slow
def test_a_fresh_process_computes_the_same(saved):
    run_dir, model = saved
    inputs = torch.randn(16, 2, generator=torch.manual_seed(0))
    command = [sys.executable, "-c", LOAD_AND_PREDICT, str(model)]
    done = start(command, input=json.dumps(inputs.tolist()), capture_output=True, check=True, text=True)
    with torch.no_grad():
        expected = read_network(run_dir / "model").model(inputs)
    assert torch.equal(torch.tensor(json.loads(done.stdout)), expected)


def test_its_signature_says_what_it_takes_and_returns(saved):
    signature = mlflow.models.get_model_info(str(saved[1])).signature
    assert [str(spec.type) for spec in (*signature.inputs.inputs, *signature.outputs.inputs)] == ["float32", "float32"]
    assert [signature.inputs.inputs[0].shape, signature.outputs.inputs[0].shape] == [(-1, 2), (-1, 2)]


def test_it_holds_no_pickle_and_no_code(saved):
    files = {path.name for path in saved[1].rglob("*") if path.is_file()}
    assert "network.safetensors" in files
    assert not [name for name in files if name.endswith((".pkl", ".pth", ".pt", ".py"))]

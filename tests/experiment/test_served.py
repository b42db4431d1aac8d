"""The network of a run, saved as an MLflow model, loaded by MLflow and asked as people ask it."""

import json

import numpy as np
import pytest
import torch

from kaslite.experiment.config import resolve
from kaslite.experiment.network_file import NETWORK, read_network
from kaslite.experiment.run import run
from kaslite.experiment.served import save_mlflow_model, warm_up
from kaslite.training.checkpoint_file import read_tree, write_tree

mlflow = pytest.importorskip("mlflow")
serving = pytest.importorskip("mlflow.pyfunc.scoring_server")
pandas = pytest.importorskip("pandas")

QUICK = {"warm_up_epochs": 1, "adaptation_epochs": 4, "controller": "schedule", "schedule": ["0 blocks.0:0 mlp"]}
GROWN = QUICK | {"n_samples": 80, "shadow_epochs": 1, "blend_steps": 12}
LEARNS = {"warm_up_epochs": 15, "adaptation_epochs": 1, "lr": 0.01}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    run_dir = run(resolve(GROWN), folder).run_dir
    save_mlflow_model(run_dir, folder / "saved")
    return run_dir, folder / "saved"


@pytest.fixture
def houses():
    """A table in units far from those of a network."""
    rng = np.random.default_rng(0)
    rooms, area = rng.integers(1, 9, 200), rng.normal(2e4, 5e3, 200)
    price = 1e6 + 3e4 * rooms + 10 * area
    return pandas.DataFrame({"rooms": rooms.astype(float), "price": price, "area": area, "kind": price > np.median(price)})


def learned(table, target, folder):
    """Return the model that has learned a column of a table."""
    table.replace({True: "villa", False: "hut"}).to_csv(folder / "it.csv", index=False)
    run_dir = run(resolve({**LEARNS, "data": folder / "it.csv", "target": target}), folder).run_dir
    save_mlflow_model(run_dir, folder / "saved")
    return mlflow.pyfunc.load_model(str(folder / "saved"))


def columns(schema):
    return [(spec.name, str(spec.type)) for spec in schema.inputs]


def test_it_computes_what_the_network_computed_of_samples_in_their_own_units(saved):
    network = read_network(saved[0] / "model")
    samples = np.random.default_rng(0).normal(0, 20, (16, 2))
    with torch.no_grad():
        expected = network.model(network.units.as_inputs(samples)).softmax(-1)
    assert torch.equal(torch.tensor(mlflow.pyfunc.load_model(str(saved[1])).predict(samples)), expected)


def test_its_signature_says_what_it_takes_and_returns(saved):
    signature = mlflow.models.get_model_info(str(saved[1])).signature
    takes, returns = signature.inputs.inputs[0], signature.outputs.inputs[0]
    assert [(str(spec.type), spec.shape) for spec in (takes, returns)] == [("float64", (-1, 2)), ("float32", (-1, 2))]


def test_of_a_table_to_classify_it_returns_the_probability_of_each_class_by_name(houses, tmp_path):
    model = learned(houses.drop(columns="price"), "kind", tmp_path)
    said = model.predict(houses[["area", "rooms"]])  # by name, so in any order
    assert np.allclose(said.sum(axis=1), 1)
    assert (said.idxmax(axis=1) == np.where(houses["kind"], "villa", "hut")).mean() > 0.9
    assert columns(model.metadata.signature.inputs) == [("rooms", "DataType.double"), ("area", "DataType.double")]
    assert columns(model.metadata.signature.outputs) == [("hut", "DataType.float"), ("villa", "DataType.float")]


def test_of_a_table_to_predict_it_returns_the_number_in_its_own_units(houses, tmp_path):
    model = learned(houses.drop(columns="kind"), "price", tmp_path)
    said = model.predict(houses[["rooms", "area"]])
    assert np.abs(said["price"] - houses["price"]).mean() < 0.5 * houses["price"].std()
    assert columns(model.metadata.signature.outputs) == [("price", "DataType.double")]


def test_a_server_takes_rows_as_json(houses, tmp_path):
    model = learned(houses.drop(columns="price"), "kind", tmp_path)
    asked = json.dumps({"dataframe_records": [{"area": 20000, "rooms": 3}, {"rooms": 8, "area": 41000.5}]})
    answer = serving.invocations(asked, "application/json", model, model.metadata.signature.inputs)
    assert answer.status == 200, answer.response
    poor, rich = json.loads(answer.response)["predictions"]
    assert rich["villa"] > poor["villa"]


def test_of_a_text_it_takes_tokens_and_returns_the_probabilities_of_the_next_ones(tmp_path):
    settings = {"host": "transformer", "n_samples": 60, "context": 16, "warm_up_epochs": 0, "adaptation_epochs": 1}
    save_mlflow_model(run(resolve(settings), tmp_path).run_dir, tmp_path / "saved")
    said = mlflow.pyfunc.load_model(str(tmp_path / "saved")).predict(np.ones((3, 16), dtype=np.int64))
    assert said.shape[:2] == (3, 16)
    assert np.allclose(said.sum(-1), 1)


def test_a_network_of_a_kaslite_that_kept_no_units_takes_scaled_inputs(saved, tmp_path):
    tree = read_tree(saved[0] / "model" / NETWORK)
    del tree["units"]
    (tmp_path / "model").mkdir()
    write_tree(tmp_path / "model" / NETWORK, tree)
    save_mlflow_model(tmp_path, tmp_path / "saved")
    inputs = torch.randn(4, 2, generator=torch.manual_seed(0))
    with torch.no_grad():
        expected = read_network(saved[0] / "model").model(inputs).softmax(-1)
    assert torch.equal(torch.tensor(mlflow.pyfunc.load_model(str(tmp_path / "saved")).predict(inputs.numpy())), expected)


def test_it_holds_no_pickle_and_no_code(saved):
    files = {path.name for path in saved[1].rglob("*") if path.is_file()}
    assert "network.safetensors" in files
    assert not [name for name in files if name.endswith((".pkl", ".pth", ".pt", ".py"))]


def test_warming_up_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    warm_up()
    assert list(tmp_path.iterdir()) == []

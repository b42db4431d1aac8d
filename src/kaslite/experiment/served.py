"""The network of a run as an MLflow model: what is saved, and what loads it where it is served.

The model holds no pickle and no code, only the file of `kaslite.experiment.network_file`; kaslite builds the network from it,
so it computes what it computed at the end of the run, bit for bit. It takes samples in the units of their source and returns
probabilities, or the number that is predicted; columns have the names that they have there. Not for: the store.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from kaslite import __version__
from kaslite.errors import DataError
from kaslite.experiment.network_file import Network, read_network
from kaslite.experiment.run_directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.models import ModelSignature
    from mlflow.types import Schema
    from numpy.typing import NDArray


def save_mlflow_model(run: Path, to: Path) -> None:
    """Write the network of a completed run as an MLflow model, with its signature.

    Args:
        run: its folder.
        to: a folder that is not there yet.

    Raises:
        KasliteError: as from `read_network`.
    """
    source = RunDirectory(run).model
    served = ServedNetwork(read_network(source))
    example = served.example()
    signature = served.signature(example)
    # Names say enough, and pandas warns of the way in which MLflow writes a table as an example.
    _save(to, data_path=source, signature=signature, input_example=example if isinstance(example, np.ndarray) else None)


def warm_up() -> None:
    """Do what MLflow does once in a process when it saves a model, such as looking through all that is installed."""
    with TemporaryDirectory() as place:
        _save(Path(place) / "model")


def _save(to: Path, **content: Any) -> None:
    import mlflow.pyfunc

    warnings.filterwarnings("ignore", ".*An input example was not provided", UserWarning)  # for tables, names say enough
    needs = [f"kaslite=={__version__}", f"torch=={torch.__version__.partition('+')[0]}"]
    mlflow.pyfunc.save_model(to, loader_module=__name__, pip_requirements=needs, **content)


def _load_pyfunc(path: str) -> ServedNetwork:
    """Load what `save_mlflow_model` saved; MLflow calls it by this name."""
    return ServedNetwork(read_network(Path(path)))


@final
class ServedNetwork:
    """A network as MLflow wants a model."""

    def __init__(self, network: Network) -> None:
        self.network = network
        units = network.units
        self._columns, self._outputs = (None, None) if units is None else (units.columns, units.outputs)

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002  MLflow passes it
        """Return what the network says of some samples.

        Args:
            model_input: (samples, features) or (samples, tokens), as an array or a table.
            params: not used.

        Returns:
            Of a classification, probabilities, (samples, classes) or (samples, tokens, classes); of a regression, what is
            predicted, (samples, 1). As a table where the outputs have names, or else as an array.
        """
        units = self.network.units
        if units is None:
            inputs = torch.as_tensor(np.array(model_input), dtype=self.network.example.dtype)
        else:
            samples = np.asarray(model_input, dtype=np.float64)
            if not np.isfinite(samples).all():
                raise DataError("the samples hold a missing or infinite value; give a number in every column.")
            inputs = units.as_inputs(samples)
        return _named(self._meaning_of(_apply(self.network, inputs)), self._outputs)

    def example(self) -> Any:
        """Return two samples: means of the training split, where the units are known."""
        if self.network.units is None:
            return self.network.example.numpy()
        return _named(np.stack([self.network.units.inputs.mean] * 2), self._columns)

    def signature(self, example: Any) -> ModelSignature:
        """Return what it takes, such as an example, and what it returns, by name and type."""
        from mlflow.models import ModelSignature

        takes, returns = _schema(np.asarray(example), self._columns), self.predict(example)
        return ModelSignature(inputs=takes, outputs=_schema(np.asarray(returns), self._outputs))

    def _meaning_of(self, outputs: torch.Tensor) -> NDArray[Any]:
        units = self.network.units
        if outputs.shape[-1] > 1:
            return np.asarray(outputs.softmax(-1))
        return np.asarray(outputs) if units is None or units.target is None else units.target.unscaled(outputs.numpy())


def _named(values: NDArray[Any], names: Sequence[str] | None) -> Any:
    if names is None:
        return values
    from pandas import DataFrame

    return DataFrame(values, columns=list(names))


def _schema(values: NDArray[Any], names: Sequence[str] | None) -> Schema:
    from mlflow.types import ColSpec, Schema, TensorSpec

    if names is None:
        return Schema([TensorSpec(values.dtype, (-1, *values.shape[1:]))])
    return Schema([ColSpec("double" if values.dtype == np.float64 else "float", name) for name in names])


@torch.no_grad()
def _apply(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    outputs: torch.Tensor = network.model(inputs)
    return outputs

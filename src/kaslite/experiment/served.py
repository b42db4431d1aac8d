"""The network of a run as an MLflow model: what is saved, and what loads it where it is served.

The model holds no pickle and no code, only the file of `kaslite.experiment.network_file`; kaslite builds the network from it,
so it computes what it computed at the end of the run, bit for bit. It takes what the network takes, inputs already scaled,
and returns what it returns: logits. Not for: the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import torch

from kaslite import __version__
from kaslite.experiment.network_file import Network, read_network
from kaslite.experiment.run_directory import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path


def save_mlflow_model(run: Path, to: Path) -> None:
    """Write the network of a completed run as an MLflow model, with its signature.

    Args:
        run: its folder.
        to: a folder that is not there yet.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    source = RunDirectory(run).model
    network = read_network(source)
    example = network.example.numpy()
    takes, returns = (
        Schema([TensorSpec(array.dtype, (-1, *array.shape[1:]))])
        for array in (example, _apply(network, network.example).numpy())
    )
    mlflow.pyfunc.save_model(
        to,
        loader_module=__name__,
        data_path=source,
        signature=ModelSignature(inputs=takes, outputs=returns),
        input_example=example,
        pip_requirements=[f"kaslite=={__version__}", f"torch=={torch.__version__.partition('+')[0]}"],
    )


def _load_pyfunc(path: str) -> ServedNetwork:
    """Load what `save_mlflow_model` saved; MLflow calls it by this name."""
    from pathlib import Path

    return ServedNetwork(read_network(Path(path)))


@final
class ServedNetwork:
    """A network as MLflow wants a model."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ARG002  MLflow passes it
        """Return the outputs for some samples.

        Args:
            model_input: (samples, features) or (samples, tokens), as an array or a table.
            params: not used.

        Returns:
            (samples, classes), or (samples, tokens, classes): logits, as an array.
        """
        import numpy as np

        inputs = torch.as_tensor(np.array(model_input), dtype=self.network.example.dtype)
        return _apply(self.network, inputs).numpy()


@torch.no_grad()
def _apply(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    outputs: torch.Tensor = network.model(inputs)
    return outputs

"""Problems and hosts by name, without importing what loads or builds them, so that ``kaslite run --help`` is quick.

Not for: data and networks; each problem's and each host's own file makes them.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kaslite.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from kaslite.tasks.task import Task

HOST_PATTERN = "blocks.*"
"""Where seeds sit by default: every host of ours calls its hidden layers so."""

Inputs = Literal["vector", "image", "text"]
"""What a sample can be read as: features in no order, pixels of a square, tokens in a row."""

VECTOR: frozenset[Inputs] = frozenset({"vector"})


@dataclass(frozen=True)
class Problem:
    """A named data set."""

    source: str  # "module:function", called with the settings of the run and its rng_seed; returns a Task
    summary: str
    inputs: frozenset[Inputs]  # what its samples can be read as
    reads: frozenset[str] = frozenset()  # settings of its own, beside train_frac; no other problem's may be given
    defaults: Mapping[str, Any] = field(default_factory=dict)  # settings that suit it; flags and files override them
    input_dim: int | str = "input_dim"  # number of inputs where the data fixes it, or the setting that says it
    draws: str | None = None  # "module:function", called as source is, where it is generated; returns points and their classes
    facts: str | None = None  # "module:function" that reads the settings that a file fixes, where there is one
    regression: bool | str = False  # whether numbers are predicted; "module:function" where the data says it

    def load(self, settings: Any, rng_seed: int) -> Task:
        """Load or generate the data.

        Args:
            settings: an object with the fields of `kaslite.experiment.config.RunConfig` that the problem reads.
            rng_seed: generation and splits draw from streams derived from it.
        """
        task: Task = pkgutil.resolve_name(self.source)(settings, rng_seed)
        return task

    def is_regression(self, settings: Any) -> bool:
        """Return whether numbers are predicted, so that there is no accuracy.

        Raises:
            KasliteError: if the data is a file that does not do.
        """
        return bool(pkgutil.resolve_name(self.regression)(settings)) if isinstance(self.regression, str) else self.regression

    def draw(self, settings: Any, rng_seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Generate the points as they are before they are split and scaled, and their classes; arguments as above.

        Raises:
            UsageError: if the problem is not one that is generated.
        """
        if self.draws is None:
            there = ", ".join(name for name, problem in PROBLEMS.items() if problem.draws is not None)
            raise UsageError(f"{settings.problem_type} is not generated, so there are no points to write; take one of {there}.")
        drawn: tuple[NDArray[np.float64], NDArray[np.int64]] = pkgutil.resolve_name(self.draws)(settings, rng_seed)
        return drawn

    def fixed(self, settings: Any) -> dict[str, Any]:
        """Return the settings that the data fixes, ``input_dim`` among them, under the other settings.

        Raises:
            KasliteError: if there is no such data.
        """
        if self.facts is not None:
            facts: dict[str, Any] = pkgutil.resolve_name(self.facts)(settings)
            return facts
        return {"input_dim": self.input_dim if isinstance(self.input_dim, int) else getattr(settings, self.input_dim)}


@dataclass(frozen=True)
class Host:
    """A named network to grow on."""

    source: str  # "module:class", called with (input_dim, hidden_dim, num_layers, outputs)
    summary: str
    reads: Inputs
    problem: str  # what it learns where nothing is said
    causal: bool = False  # whether a token must not learn of later ones
    defaults: Mapping[str, Any] = field(default_factory=dict)  # settings that suit it; they win over the problem's

    def build(self, input_dim: int, hidden_dim: int, num_layers: int, outputs: int, spare_layers: int = 0) -> nn.Module:
        """Build the network; it draws from torch's global generator.

        Args:
            input_dim: number of inputs.
            hidden_dim: width of its hidden layers, which it calls ``blocks``.
            num_layers: how many there are.
            outputs: number of logits.
            spare_layers: how many empty ones follow them, which compute nothing and hold nothing but a place for seeds.
        """
        from torch.nn import Identity

        network: Any = pkgutil.resolve_name(self.source)(input_dim, hidden_dim, num_layers, outputs)
        network.blocks.extend(Identity() for _ in range(spare_layers))
        return network


PROBLEMS: dict[str, Problem] = {
    "spirals": Problem(
        "kaslite.tasks.spirals:load",
        "two interleaving spirals, generated",
        inputs=VECTOR,
        draws="kaslite.tasks.spirals:draw",
        reads=frozenset({"n_samples", "noise", "rotations"}),
    ),
    "moons": Problem(
        "kaslite.tasks.moons:load",
        "two half-circles that interleave, generated",
        inputs=VECTOR,
        draws="kaslite.tasks.moons:draw",
        reads=frozenset({"n_samples", "noise"}),
    ),
    "clusters": Problem(
        "kaslite.tasks.clusters:load",
        "Gaussian clouds around random centers, one class each, generated",
        inputs=VECTOR,
        draws="kaslite.tasks.clusters:draw",
        reads=frozenset({"n_samples", "n_centers", "cluster_std"}),
    ),
    "spheres": Problem(
        "kaslite.tasks.spheres:load",
        "two concentric shells, generated",
        inputs=VECTOR,
        draws="kaslite.tasks.spheres:draw",
        reads=frozenset({"n_samples", "noise"}),
    ),
    "complex_moons": Problem(
        "kaslite.tasks.moons:load_complex",
        "two moons, and behind each a cluster of the other class, generated",
        inputs=VECTOR,
        draws="kaslite.tasks.moons:draw_complex",
        reads=frozenset({"n_samples", "noise"}),
    ),
    "digits": Problem(
        "kaslite.tasks.digits:load",
        "1,797 real handwritten digits of 8 x 8 pixels, from scikit-learn",
        inputs=frozenset({"vector", "image"}),
        reads=frozenset({"classes"}),
        # Enough decay that the host does not memorise 1,257 images before anything has grown.
        defaults={"hidden_dim": 24, "lr": 1e-3, "weight_decay": 0.5, "acc_threshold": 0.99},
        input_dim=64,
    ),
    "breast_cancer": Problem(
        "kaslite.tasks.bundled:load_breast_cancer",
        "569 tumours, malignant or benign, by 30 measures, from scikit-learn",
        inputs=VECTOR,
        defaults={"hidden_dim": 16, "lr": 1e-3, "weight_decay": 1.0},
        input_dim=30,
    ),
    "wine": Problem(
        "kaslite.tasks.bundled:load_wine",
        "178 wines of three growers, by 13 measures, from scikit-learn",
        inputs=VECTOR,
        input_dim=13,
    ),
    "diabetes": Problem(
        "kaslite.tasks.bundled:load_diabetes",
        "how far the diabetes of 442 patients is a year later, by 10 measures, from scikit-learn; a regression",
        inputs=VECTOR,
        # Little can be predicted from 309 patients: a wider host, or less decay, learns them by heart.
        defaults={"hidden_dim": 8, "num_layers": 2, "lr": 1e-3, "weight_decay": 1.0},
        input_dim=10,
        regression=True,
    ),
    "table": Problem(
        "kaslite.tasks.table:load",
        "your own data, to classify or to predict: --data",
        inputs=VECTOR,
        reads=frozenset({"data", "target", "task_type", "data_sha256"}),
        facts="kaslite.tasks.table_file:facts",
        regression="kaslite.tasks.table:is_regression",
    ),
    "topics": Problem(
        "kaslite.tasks.topics:load",
        "the next character in Python's own help texts",
        inputs=frozenset({"text"}),
        reads=frozenset({"n_samples", "context"}),
        defaults={"n_samples": 1200},
        input_dim="context",
    ),
}

HOSTS: dict[str, Host] = {
    "mlp": Host("kaslite.tasks.hosts.mlp:MLP", "a multi-layer perceptron", reads="vector", problem="spirals"),
    "cnn": Host(
        "kaslite.tasks.hosts.cnn:CNN",
        "a small convolutional network",
        reads="image",
        problem="digits",
        # One block: in front of another, whose convolution and normalisation follow, seeds rarely point downhill (docs/log.md).
        defaults={
            "hidden_dim": 8,
            "num_layers": 1,
            "blueprints": ("conv_enhance", "low_rank"),
            "lr": 3e-3,
            "weight_decay": 0.01,
            "batch_size": 64,
            "shadow_lr": 1e-2,
            "patience": 8,
        },
    ),
    "transformer": Host(
        "kaslite.tasks.hosts.transformer:Transformer",
        "a decoder-only transformer",
        reads="text",
        problem="topics",
        causal=True,
        # Few epochs, each a second long: it has to learn quickly, and to see early that it does not.
        defaults={
            "hidden_dim": 32,
            "num_layers": 1,
            "blueprints": ("block", "low_rank"),
            "lr": 1e-2,
            "shadow_lr": 1e-2,
            "patience": 5,
            "warm_up_epochs": 10,
            "adaptation_epochs": 40,
        },
    ),
}


def fitting_hosts(problem: str) -> list[str]:
    """Return the names of the hosts that can read a problem's inputs; the first is what it is learned with by default.

    >>> fitting_hosts("digits")
    ['mlp', 'cnn']
    """
    return [name for name, host in HOSTS.items() if host.reads in PROBLEMS[problem].inputs]


def check_fit(host: str, problem: str) -> None:
    """Refuse a host that cannot read a problem's inputs.

    >>> check_fit("cnn", "spirals")
    Traceback (most recent call last):
        ...
    kaslite.errors.UsageError: host 'cnn' reads image inputs, which spirals has not; spirals takes mlp, and cnn learns digits.
    """
    if host not in fitting_hosts(problem):
        learns = [name for name in PROBLEMS if host in fitting_hosts(name)]
        raise UsageError(
            f"host {host!r} reads {HOSTS[host].reads} inputs, which {problem} has not; "
            f"{problem} takes {', '.join(fitting_hosts(problem))}, and {host} learns {', '.join(learns)}."
        )

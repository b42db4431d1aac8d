"""`SeededModel`: a host with seed layers on it.

The host is untouched: its class, its attributes and the keys of its ``state_dict`` stay as they are, and
while all seeds are dormant no hook is installed and nothing is computed. Not for: training; see `kaslite.training`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kaslite.errors import UsageError
from kaslite.lifecycle import ISOLATED, SeedState
from kaslite.seeds.compiled import topology_changed
from kaslite.seeds.feature import feature_of
from kaslite.seeds.layer import SeedLayer
from kaslite.seeds.modes import PartlyAsleep, looking_at
from kaslite.seeds.span import Span, find_spans, submodules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaslite.seeds.probe import FeatureReading
    from kaslite.seeds.seed import Seed


class SeedLayers(nn.Module, Mapping[str, SeedLayer]):
    """The seed layers by the dotted name of the submodule that they write to."""

    def __init__(self, layers: Sequence[SeedLayer]) -> None:
        super().__init__()
        for layer in layers:
            self.add_module(self._key(layer.span.writes), layer)

    @staticmethod
    def _key(name: str) -> str:
        # torch refuses dots and names of attributes: "blocks.0" is kept as "@blocks/0"; no two names are kept as one
        return "@" + name.replace("%", "%25").replace("/", "%2F").replace(".", "/")

    def __getitem__(self, name: str) -> SeedLayer:
        layer = self._modules[self._key(name)]
        assert isinstance(layer, SeedLayer)
        return layer

    def __iter__(self) -> Iterator[str]:
        return (layer.span.writes for layer in self.children() if isinstance(layer, SeedLayer))

    def __len__(self) -> int:
        return len(self._modules)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


class ForwardWatch:
    """Whether a training forward pass still waits for its backward pass; who sees one run closes it."""

    def __init__(self) -> None:
        self.open = False


class SeededModel(PartlyAsleep):
    """A host in which modules can grow.

    Args:
        host: any ``nn.Module``.
        at: where seeds sit: patterns of dotted names (``"blocks.*"``) or `Span` objects.
        seeds_per_layer: how many seeds each of these points has.
        chunked: whether each seed of a layer reads and writes only its own contiguous chunk of the channels, instead of all.
        causal: whether a token of the host must not see later ones, so that seeds in which tokens meet must not let it either.
        example_input: one input of the host (a tensor, a tuple of positional or a dict of keyword arguments), run once without
            gradients to see the shapes; without it the first eager forward pass shows them.

    Raises:
        UsageError: if a pattern matches nothing, or if a point carries no feature that seeds can grow on.

    >>> import torch
    >>> host = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> model = SeededModel(host, at="0", seeds_per_layer=2)
    >>> [seed.state for seed in model.layers["0"].seeds]
    [<SeedState.DORMANT: 'dormant'>, <SeedState.DORMANT: 'dormant'>]
    """

    def __init__(
        self,
        host: nn.Module,
        at: str | Span | Sequence[str | Span],
        seeds_per_layer: int = 1,
        *,
        chunked: bool = False,
        causal: bool = False,
        example_input: Tensor | tuple[Any, ...] | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(host, nn.Module):
            raise UsageError(f"the host is a {type(host).__name__}; it has to be an nn.Module.")
        if seeds_per_layer < 1:
            raise UsageError(f"seeds_per_layer is {seeds_per_layer}; a layer has at least 1 seed.")
        spans = find_spans(host, at)
        self.host = host
        self.host_is_frozen = False
        self.layers = SeedLayers([SeedLayer(span, seeds_per_layer, causal=causal, chunked=chunked) for span in spans])
        # All of them, in the order of the layers. Gathered once: they are walked at every training step.
        self.seeds: tuple[Seed, ...] = tuple(seed for layer in self.layers.values() for seed in layer.seeds)
        self.watch = ForwardWatch()
        self.topology_changes = 0  # how often seeds entered or left the forward pass, or the host froze
        self.probed: tuple[str, ...] = ()  # the layers at which the present pass is looked
        self.live: tuple[Seed, ...] = ()  # those in it, in the order of the layers: nearly that of the pass
        self._points = submodules(host)  # by name, as they were when seeds last entered or left the forward pass
        self._shapes_known = False
        self._reading: tuple[SeedLayer, ...] = ()  # live layers that read another point than they write
        if example_input is not None:
            self._look(example_input)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the host, with its live seeds."""
        if not torch.compiler.is_compiling():
            self.watch.open = self.watch.open or (self.training and torch.is_grad_enabled())
            if not self._shapes_known:
                return self._first_forward(args, kwargs)
        if not self._reading:
            return self.host(*args, **kwargs)
        try:
            return self.host(*args, **kwargs)
        finally:
            for layer in self._reading:
                layer.forget_read()

    def freeze_host(self) -> None:
        """Train the seeds only: the host's parameters take no gradient, and the host stays in eval mode.

        So its parameters and its statistics (BatchNorm's) stay what they are, bit for bit: with its seeds switched off the
        model goes on computing what it computes now. While no seed learns from the loss, there is nothing to go back
        through: in a loop of your own, call ``loss.backward()`` only if ``loss.requires_grad``.
        """
        self.host_is_frozen = True
        self.topology_changes += 1  # a training step costs less from now on
        self.host.requires_grad_(requires_grad=False).eval()

    def sleeping_parts(self) -> tuple[nn.Module, ...]:
        """Return the host, if it is frozen."""
        return (self.host,) if self.host_is_frozen else ()

    def seed_at(self, layer: str, index: int) -> Seed:
        """Return one seed; an unknown place is a `UsageError`."""
        if layer not in self.layers:
            raise UsageError(f"there is no seed layer {layer!r}; there are: {', '.join(self.layers)}.")
        seeds = self.layers[layer].seeds
        if not 0 <= index < len(seeds):
            raise UsageError(f"layer {layer!r} has no seed {index}; its seeds are 0 to {len(seeds) - 1}.")
        return seeds[index]

    def parameters_near(self, layer: str) -> Iterator[nn.Parameter]:
        """Yield the host's parameters, those of the written submodule first, then those of what contains it, outwards."""
        known = submodules(self.host)
        parts = layer.split(".")
        for depth in range(len(parts), 0, -1):
            yield from known[".".join(parts[:depth])].parameters()
        yield from self.host.parameters()

    def update_topology(self) -> None:
        """Bring hooks, registered parameters and compiled graphs in line with the states of the seeds."""
        self._points = submodules(self.host)
        for layer in self.layers.values():
            layer.take_part(
                self._points,
                blended=tuple(s for s in layer.seeds if s.module is not None and s.state not in ISOLATED),
                shadowed=tuple(s for s in layer.seeds if s.state is SeedState.TRAINING),
            )
        self.live = tuple(s for s in self.seeds if s.module is not None and s.state is not SeedState.GERMINATED)
        self._reading = tuple(
            layer for layer in self.layers.values() if layer.spans and any(s.module is not None for s in layer.seeds)
        )
        self.topology_changes += 1
        topology_changed()

    @contextmanager
    def probing(self, *names: str) -> Iterator[dict[str, FeatureReading]]:
        """Measure features in the forward passes made inside; the dict is filled at the end.

        Compiled models run eagerly meanwhile, because their graphs know nothing of the probes.

        Args:
            names: the layers to look at; none: all of them.
        """
        readings: dict[str, FeatureReading] = {}
        host = self._points
        layers = {name: self.layers[name] for name in names or self.layers}
        for layer in layers.values():
            layer.start_probe(host)
        self.probed = tuple(layers)
        try:
            with torch.compiler.set_stance("force_eager"):
                yield readings
        finally:
            self.probed = ()
            probes = {name: layer.stop_probe(host) for name, layer in layers.items()}
        # Not of passes that were cut short: half a reading raises, and would hide why they were.
        for name, probe in probes.items():
            reading = probe.read()
            if reading is not None:
                readings[name] = reading

    def _look(self, example: Tensor | tuple[Any, ...] | Mapping[str, Any]) -> None:
        kwargs = dict(example) if isinstance(example, Mapping) else {}
        args = () if kwargs else example if isinstance(example, tuple) else (example,)
        devices = {parameter.device for parameter in self.parameters() if parameter.is_cuda}
        with looking_at(self), torch.random.fork_rng(devices):  # a host may draw noise in eval mode too
            self._first_forward(args, kwargs)

    def _first_forward(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        known = submodules(self.host)
        seen: dict[str, list[Tensor]] = {
            name: [] for layer in self.layers.values() for name in (layer.span.source, layer.span.writes)
        }
        handles = [known[name].register_forward_hook(_recorder(name, seen[name])) for name in seen]
        try:
            with torch.compiler.set_stance("force_eager"):
                output = self.host(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        for name, features in seen.items():
            _check_ran_once(name, len(features))
        for layer in self.layers.values():
            layer.learn_shape(seen[layer.span.source][0], seen[layer.span.writes][0])
        self._shapes_known = True
        return output


def _recorder(name: str, features: list[Tensor]) -> Any:
    def record(_module: nn.Module, _args: Any, output: Any) -> None:
        features.append(feature_of(output, name).detach())

    return record


def _check_ran_once(name: str, times: int) -> None:
    if times == 0:
        raise UsageError(
            f"the forward pass never called {name!r}, so nothing can grow there: its weights are used directly, or it was not "
            "needed; put the seeds on a submodule that is called."
        )
    if times > 1:
        raise UsageError(
            f"one forward pass called {name!r} {times} times; seeds need a submodule that is called once: put them on what "
            "contains it."
        )

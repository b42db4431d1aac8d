"""A seed layer: the seeds that sit on one submodule (code names: KasminaLayer, SeedSlot).

It hooks its submodule only while it holds a seed that takes part in the forward pass, and there computes
``y = x + sum(alpha_i * delta_i(x))``, where delta_i is zero outside the seed's channels.
Not for: states and ramps; those are the seed's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from kaslite.blueprints.shape import FeatureShape, SeedShape
from kaslite.errors import UsageError
from kaslite.seeds.chunk import WHOLE, Chunk, cut
from kaslite.seeds.fault import delta_or_fault
from kaslite.seeds.feature import feature_of, with_feature
from kaslite.seeds.modes import looking_at
from kaslite.seeds.objectives import pass_beside
from kaslite.seeds.probe import Probe
from kaslite.seeds.seed import Seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.utils.hooks import RemovableHandle

    from kaslite.seeds.span import Span


CANDIDATE_ROWS = 64
"""Samples of an evaluation on which a seed in shadow training is measured: on 256 it costs 2 % of an epoch."""


class SeedLayer(nn.Module):
    """The seeds of one span of the host.

    A seed is a registered child, seen by ``parameters()`` and ``state_dict()``, only from BLENDING on; ``seeds`` holds
    all of them. So a seed in shadow training is nobody's parameter: clipping the norm of all gradients of the model,
    for one, cannot let it reach the host. ``read_sum`` is the sum, in float32, of what blended seeds read in training forward
    passes: a seed whose ``delta_sum`` is not finite beside a ``read_sum`` that is has made that of itself.
    """

    def __init__(self, span: Span, seeds: int, *, causal: bool, chunked: bool) -> None:
        super().__init__()
        self.span = span
        self.causal = causal
        self.chunked = chunked
        self.seeds = tuple(Seed(span.writes, index) for index in range(seeds))
        self.probe: Probe | None = None
        self.read_sum = torch.zeros(())
        self._blended: tuple[Seed, ...] = ()
        self._shadowed: tuple[Seed, ...] = ()
        self._read: Tensor | None = None  # what a span read in this very forward pass
        self._handles: list[RemovableHandle] = []

    @property
    def spans(self) -> bool:
        """Whether it reads another point than it writes."""
        return self.span.source != self.span.writes

    def learn_shape(self, read: Tensor, written: Tensor) -> None:
        """Tell the seeds what they will read and write.

        Raises:
            UsageError: if no seed, or not every seed, could grow on these features.
        """
        source, target = self._shape_of(read, self.span.source), self._shape_of(written, self.span.writes)
        if source.kind is not target.kind:
            raise UsageError(
                f"the span from {self.span.source!r} to {self.span.writes!r} would turn a {source.kind} feature into "
                f"a {target.kind} one; both ends have to be of one kind."
            )
        reads, writes = self._cut(source, self.span.source), self._cut(target, self.span.writes)
        for seed, read_chunk, written_chunk in zip(self.seeds, reads, writes, strict=True):
            widths = read_chunk.width or source.width, written_chunk.width or target.width
            seed.learn_shape(SeedShape(target.kind, *widths, causal=self.causal), read_chunk, written_chunk)

    @staticmethod
    def _shape_of(feature: Tensor, name: str) -> FeatureShape:
        try:
            shape = FeatureShape.of(feature)
        except UsageError as error:
            raise UsageError(f"nothing can grow at {name!r}: {error}") from None
        if feature.is_floating_point():
            return shape
        raise UsageError(
            f"nothing can grow at {name!r}: its feature is of {feature.dtype}; seeds add to floating-point numbers."
        )

    def _cut(self, feature: FeatureShape, name: str) -> list[Chunk]:
        if not self.chunked or len(self.seeds) == 1:
            return [WHOLE] * len(self.seeds)
        if len(self.seeds) > feature.width:
            raise UsageError(
                f"layer {self.span.writes!r} has {len(self.seeds)} seeds, and the feature at {name!r} only {feature.width} "
                "channels; chunked=True gives each seed at least one: take fewer seeds_per_layer, or chunked=False."
            )
        return cut(feature, len(self.seeds))

    def take_part(self, host: dict[str, nn.Module], *, blended: tuple[Seed, ...], shadowed: tuple[Seed, ...]) -> None:
        """Set which seeds take part in the forward pass, and how; hook or unhook the host accordingly."""
        self._blended, self._shadowed = blended, shadowed
        for seed in self.seeds:
            self._modules.pop(str(seed.index), None)
        for seed in blended:
            self.add_module(str(seed.index), seed.train(self.training))
            self.read_sum = self.read_sum.to(seed.delta_sum.device)
        self._hook(host, wanted=bool(blended or shadowed))

    def start_probe(self, host: dict[str, nn.Module]) -> None:
        """Look at the feature in every forward pass until `stop_probe`, with or without live seeds."""
        self.probe = Probe()
        self._hook(host, wanted=True)

    def stop_probe(self, host: dict[str, nn.Module]) -> Probe:
        """Look no longer; return the probe that did."""
        probe, self.probe = self.probe, None
        assert probe is not None, "start_probe comes first"
        self.forget_read()  # of a forward pass that raised
        self._hook(host, wanted=bool(self._blended or self._shadowed))
        return probe

    def clear_sums(self) -> None:
        """Start the sums of what was read and added anew."""
        self.read_sum.zero_()
        for seed in self.seeds:
            seed.clear_sums()

    def forget_read(self) -> None:
        """Let go of what was read in a forward pass."""
        self._read = None

    def _hook(self, host: dict[str, nn.Module], *, wanted: bool) -> None:
        if wanted == bool(self._handles):
            return
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if wanted:
            if self.spans:
                self._handles.append(host[self.span.source].register_forward_hook(self._read_output))
            self._handles.append(host[self.span.writes].register_forward_hook(self._write_output))

    def _read_output(self, _module: nn.Module, _args: Any, output: Any) -> None:
        # A copy: the host may change its own in place before the seeds come to it.
        self._read = feature_of(output, self.span.source).clone()

    def _write_output(self, _module: nn.Module, _args: Any, output: Any) -> Any:
        before = feature_of(output, self.span.writes)
        read = self._take_read() if self.spans else before
        training = self.training and torch.is_grad_enabled()
        after = self._blend(read, before, watched=training)
        if training:
            for seed in self._shadowed:
                after = pass_beside(seed, read, after)
        if self.probe is not None:
            self._probe(self.probe, read, before, after)
        return None if after is before else with_feature(output, after)

    def _blend(self, read: Tensor, before: Tensor, *, watched: bool) -> Tensor:
        after = before
        for seed in self._blended:
            part = seed.reads.of(read)
            slopes_seen = watched and not torch.compiler.is_compiling()
            if slopes_seen and part.requires_grad:
                part = part.view_as(part)  # so that the hook sees what comes back through this seed alone
                part.register_hook(seed.note_leaving_slope)
            delta = delta_or_fault(seed, part, seed.writes.of(before))
            if delta is None:
                continue
            if slopes_seen and delta.requires_grad:
                delta.register_hook(seed.note_arriving_slope)
            without, after = after, seed.writes.put(after, seed.writes.of(after) + (seed.alpha * delta).to(before.dtype))
            if self.probe is not None:
                self.probe.see_seed(seed.index, without, after)
            if slopes_seen and seed.samples("drift"):
                seed.sample_pair(without, after)
            if watched:  # summed on the device, and read when somebody asks: nothing here may wait for it
                seed.delta_sum.add_(delta.detach().sum(dtype=torch.float32))
        if watched and self._blended:
            self.read_sum.add_(read.detach().sum(dtype=torch.float32))
        return after

    def _probe(self, probe: Probe, read: Tensor, before: Tensor, after: Tensor) -> None:
        """Look at the feature, and at what it would be if a seed in shadow training were fully in."""
        probe.see(after)
        for seed in self._shadowed:
            if probe.has_seen(seed.index):
                continue  # a part of the samples is enough, and costs next to nothing
            rows = after[:CANDIDATE_ROWS]
            with looking_at(seed):  # it is nobody's child, so the mode of the model is not its own
                delta = delta_or_fault(seed, seed.reads.of(read[:CANDIDATE_ROWS]), seed.writes.of(before[:CANDIDATE_ROWS]))
            if delta is not None:
                candidate = seed.writes.put(rows, seed.writes.of(rows) + (seed.blend_factor * delta).to(rows.dtype))
                probe.see_seed(seed.index, rows, candidate)

    def _take_read(self) -> Tensor:
        read, self._read = self._read, None
        if read is None:
            raise UsageError(
                f"{self.span.writes!r} ran before {self.span.source!r}, which its seeds read; a span reads an earlier point."
            )
        return read

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SeedLayer:  # noqa: FBT001, FBT002  torch's signature
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for seed in self.seeds:
            if str(seed.index) not in self._modules:
                seed._apply(fn, recurse)  # noqa: SLF001  what nn.Module does for its children
        self.read_sum = self.read_sum.to(self.seeds[0].delta_sum.device)
        return self

"""Carries blends out: chooses a strategy as one begins, feeds it its signals, and tells how the blend ends.

Where the signals come from: held-out losses from the evaluation at the end of each epoch; drift and gradient norm from there
too, or, where the ramp ticks with the steps, from every tenth training step or so, if the strategy reads them.
Not for: moves between states; those are `kaslite.training.transitions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaslite.blending import BlendSignals, BlendTelemetry, FixedRampBlending, choose_strategy, get_strategy
from kaslite.blending.base import ADAPTIVE, COMPLETE
from kaslite.errors import UsageError
from kaslite.events import BlendCompleted, BlendStrategyChosen, finite_or_none
from kaslite.seeds.record import Blend, sample_ticks

if TYPE_CHECKING:
    from kaslite.blending import BlendingConfig, BlendingStrategy
    from kaslite.seeds import Seed
    from kaslite.training.observing import Observer

_SAMPLED = ("drift", "grad_norm")


class Blends:
    """The blends of one model.

    Args:
        config: their settings.
        observer: knows the held-out loss and what was measured of seeds and layers.

    Raises:
        UsageError: if nobody registered the strategy of the config.
    """

    def __init__(self, config: BlendingConfig, observer: Observer) -> None:
        if config.strategy != ADAPTIVE:
            get_strategy(config.strategy, config)
        self.config = config
        self._observer = observer
        self._strategies: dict[str, BlendingStrategy] = {}
        self._fixed = FixedRampBlending(config)

    def begin(self, seed: Seed, epoch: int) -> BlendStrategyChosen:
        """Choose the strategy of a blend that begins."""
        record, observer = seed.record, self._observer
        telemetry = BlendTelemetry(
            health_signal=finite_or_none(observer.health.get(seed.layer_name)),
            drift=finite_or_none(record.drift),
            baseline_loss=finite_or_none(record.baseline_loss),
            current_loss=finite_or_none(observer.val_loss),
        )
        choice = choose_strategy(telemetry, self.config)
        reads = self._strategy(choice.strategy).reads if self.config.tick == "step" else ()
        record.blend = Blend(
            choice.strategy,
            initial_loss=finite_or_none(observer.held_out_loss),
            initial_drift=telemetry.drift,
            samples=[signal for signal in _SAMPLED if signal in reads],
            sample_ticks=sample_ticks(self.config.fixed_steps),
        )
        return BlendStrategyChosen(
            epoch=epoch,
            layer=seed.layer_name,
            seed=seed.index,
            blueprint_id=seed.blueprint_id,
            seed_id=seed.place,
            strategy_name=choice.strategy,
            telemetry=choice.telemetry,
        )

    def tick(self, seed: Seed, epoch: int) -> BlendCompleted | None:
        """Let the ramp of a blending seed rise; return the event if its blend is complete."""
        blend = _blend_of(seed)
        if blend.samples:
            self._take_samples(seed, blend)
        if blend.start_epoch is None:
            blend.start_epoch = epoch
        blend.ticks += 1
        seed.set_ramp(self._next_ramp(seed, blend))
        return self._completed(seed, blend, epoch) if seed.ramp >= COMPLETE else None

    def finish(self, seed: Seed) -> None:
        """Let the ramp of a seed whose blend is complete rise to the end."""
        seed.set_ramp(self._fixed.update(BlendSignals(ramp=seed.ramp)))

    def note_epoch(self, seed: Seed) -> None:
        """Take in what the end of an epoch showed of a blending seed; at alpha 0 no drift is to be seen."""
        blend = _blend_of(seed)
        if seed.ramp > 0:
            blend.note_drift(finite_or_none(seed.record.drift))
        if blend.initial_loss is None:  # it began after an epoch that had none
            blend.initial_loss = finite_or_none(self._observer.held_out_loss)

    def overdue(self, seed: Seed, epochs_over: int) -> str | None:
        """Say why the blend of a seed has taken too long, if it has.

        Args:
            seed: it blends.
            epochs_over: how many epochs of the run are over.
        """
        blend = _blend_of(seed)
        epochs = 0 if blend.start_epoch is None else epochs_over - blend.start_epoch + 1
        too_long = self.config.overdue(ticks=blend.ticks, epochs=epochs)
        if too_long is None:
            return None
        return f"its blend by {blend.strategy} stood at {seed.ramp:.2f} after {too_long}{self._seen(blend)}"

    def _seen(self, blend: Blend) -> str:
        """Return, in words, what the strategy of a blend has last seen."""
        seen = {
            "loss": (blend.initial_loss, self._observer.held_out_loss),
            "drift": blend.drifts,
            "grad_norm": (blend.grad_norm,),
        }
        reads = self._strategy(blend.strategy).reads
        words = [f"{name} {' -> '.join(map(_word, values)) or '-'}" for name, values in seen.items() if name in reads]
        return f"; {', '.join(words)}" if words else ""

    def _strategy(self, name: str) -> BlendingStrategy:
        if name not in self._strategies:
            self._strategies[name] = get_strategy(name, self.config)
        return self._strategies[name]

    def _next_ramp(self, seed: Seed, blend: Blend) -> float:
        signals = BlendSignals(
            ramp=seed.ramp,
            initial_loss=blend.initial_loss,
            current_loss=finite_or_none(self._observer.held_out_loss),
            drifts=tuple(blend.drifts) if blend.has_fresh_drift else (),
            grad_norm=blend.grad_norm,
        )
        strategy = self._strategy(blend.strategy)
        ramp = strategy.update(signals)
        if type(ramp) not in (float, int) or not signals.ramp <= ramp <= 1:
            raise UsageError(
                f"the blending strategy {blend.strategy} ({type(strategy).__name__}) returned {ramp!r} at ramp "
                f"{seed.ramp:.4f}; it has to return a number from there to 1: a ramp never falls."
            )
        if ramp == 0 and blend.ticks == 1 and not strategy.reads.isdisjoint(_SAMPLED):
            # At alpha 0 a seed turns nothing and learns nothing: a strategy that waits for such a signal would wait for ever.
            return self._fixed.update(signals)
        return float(ramp)

    @staticmethod
    def _take_samples(seed: Seed, blend: Blend) -> None:
        drift, norm = seed.take_samples()
        if drift is not None:
            blend.note_drift(finite_or_none(drift.item()))
        if norm is not None:
            blend.grad_norm = finite_or_none(norm.item())

    def _last_seen(self, blend: Blend) -> tuple[float | None, float | None]:
        """Return loss and drift as far as they are not older than the ramp: where nothing can be evaluated now."""
        loss = self._observer.held_out_loss if self.config.tick == "epoch" else None
        return loss, blend.drifts[-1] if blend.drifts and blend.has_fresh_drift else None

    def _completed(self, seed: Seed, blend: Blend, epoch: int) -> BlendCompleted:
        final_loss, final_drift = self._observer.look_at(seed) or self._last_seen(blend)
        return BlendCompleted(
            epoch=epoch,
            layer=seed.layer_name,
            seed=seed.index,
            blueprint_id=seed.blueprint_id,
            seed_id=seed.place,
            strategy_name=blend.strategy,
            duration_epochs=epoch - (blend.start_epoch or epoch) + 1,
            initial_loss=blend.initial_loss,
            final_loss=finite_or_none(final_loss),
            initial_drift=blend.initial_drift,
            final_drift=finite_or_none(final_drift),
        )


def _blend_of(seed: Seed) -> Blend:
    blend = seed.record.blend
    assert blend is not None, "a seed that blends has begun to"
    return blend


def _word(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"

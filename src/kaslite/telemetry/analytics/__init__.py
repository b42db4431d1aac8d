"""What events add up to: frozen records, and for each a fold that takes in one more event. Not for: how it looks."""

from kaslite.telemetry.analytics.blending import BlendingStats, StrategyStats, fold_blending
from kaslite.telemetry.analytics.seed_states import STATE_NUMBERS, SeedStanding, fold_seed_states, seed_id

__all__ = [
    "STATE_NUMBERS",
    "BlendingStats",
    "SeedStanding",
    "StrategyStats",
    "fold_blending",
    "fold_seed_states",
    "seed_id",
]

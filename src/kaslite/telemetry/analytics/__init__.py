"""What events add up to: frozen records, and for each a fold that takes in one more event. Not for: how it looks."""

from kaslite.telemetry.analytics.blending import BlendingStats, StrategyStats, fold_blending
from kaslite.telemetry.analytics.blueprints import BlueprintStats, fold_blueprints
from kaslite.telemetry.analytics.monitored import Monitored, fold_monitored
from kaslite.telemetry.analytics.seed_states import STATE_NUMBERS, SeedStanding, fold_seed_states, seed_id
from kaslite.telemetry.analytics.totals import RunTotals, fold_totals

__all__ = [
    "STATE_NUMBERS",
    "BlendingStats",
    "BlueprintStats",
    "Monitored",
    "RunTotals",
    "SeedStanding",
    "StrategyStats",
    "fold_blending",
    "fold_blueprints",
    "fold_monitored",
    "fold_seed_states",
    "fold_totals",
    "seed_id",
]

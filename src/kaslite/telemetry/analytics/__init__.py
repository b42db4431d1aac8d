"""What events add up to: frozen records, and for each a fold that takes in one more event. Not for: how it looks."""

from kaslite.telemetry.analytics.blending import BlendingStats, StrategyStats, fold_blending

__all__ = ["BlendingStats", "StrategyStats", "fold_blending"]

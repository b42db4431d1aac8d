"""Blending strategies: how fast a seed's ramp rises. One strategy a file; they read signals, never a seed."""

from kaslite.blending.base import BlendingConfig, BlendingStrategy, BlendSignals
from kaslite.blending.fixed_ramp import FixedRampBlending

__all__ = ["BlendSignals", "BlendingConfig", "BlendingStrategy", "FixedRampBlending"]

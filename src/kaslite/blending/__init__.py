"""Blending strategies: how fast a seed's ramp rises. One strategy a file; they read signals, never a seed."""

from kaslite.blending.base import ADAPTIVE, BlendingConfig, BlendingStrategy, BlendSignals
from kaslite.blending.drift_controlled import DriftControlledBlending
from kaslite.blending.fixed_ramp import FixedRampBlending
from kaslite.blending.grad_norm_gated import GradNormGatedBlending
from kaslite.blending.performance_linked import PerformanceLinkedBlending
from kaslite.blending.registry import STRATEGIES, get_strategy
from kaslite.blending.selection import BlendTelemetry, choose_strategy

__all__ = [
    "ADAPTIVE",
    "STRATEGIES",
    "BlendSignals",
    "BlendTelemetry",
    "BlendingConfig",
    "BlendingStrategy",
    "DriftControlledBlending",
    "FixedRampBlending",
    "GradNormGatedBlending",
    "PerformanceLinkedBlending",
    "choose_strategy",
    "get_strategy",
]

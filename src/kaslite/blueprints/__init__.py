"""Blueprints: what a seed can become. One recipe a file; a decorator registers it."""

from kaslite.blueprints import (  # noqa: F401  importing a recipe registers it
    attention,
    autoencoder,
    block,
    bottleneck,
    conv_enhance,
    depthwise,
    gated,
    lora,
    low_rank,
    mlp,
    mlp_gradmax,
    norm,
    squeeze_excite,
)
from kaslite.blueprints.cost import Cost
from kaslite.blueprints.registry import Blueprint, blueprint, fitting, get, names, registered
from kaslite.blueprints.shape import FeatureKind, FeatureShape, SeedShape

__all__ = [
    "Blueprint",
    "Cost",
    "FeatureKind",
    "FeatureShape",
    "SeedShape",
    "blueprint",
    "fitting",
    "get",
    "names",
    "registered",
]

"""Blueprints: what a seed can become. One recipe a file; a decorator registers it."""

from kaslite.blueprints import low_rank, mlp  # noqa: F401  importing a recipe registers it
from kaslite.blueprints.registry import Blueprint, blueprint, get, names
from kaslite.blueprints.shape import FeatureKind, FeatureShape, SeedShape

__all__ = ["Blueprint", "FeatureKind", "FeatureShape", "SeedShape", "blueprint", "get", "names"]

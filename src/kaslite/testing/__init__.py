"""Conformance kits: what an extension owes, as tests that its author inherits. Needs no test framework.

``BlueprintConformance`` and ``BlendingStrategyConformance`` are for pytest; ``check_blueprint`` and
``check_blending_strategy`` run the same checks anywhere.
"""

from kaslite.testing.blending import BlendCase, BlendingStrategyConformance, blends_of, check_blending_strategy
from kaslite.testing.conformance import CHECKS, BlueprintConformance, check_blueprint, subjects_of
from kaslite.testing.subject import Subject

__all__ = [
    "CHECKS",
    "BlendCase",
    "BlendingStrategyConformance",
    "BlueprintConformance",
    "Subject",
    "blends_of",
    "check_blending_strategy",
    "check_blueprint",
    "subjects_of",
]

"""Conformance kits: what an extension owes, as tests that its author inherits. Needs no test framework.

``BlueprintConformance`` is for pytest; ``check_blueprint`` runs the same checks anywhere.
"""

from kaslite.testing.conformance import CHECKS, BlueprintConformance, check_blueprint, subjects_of
from kaslite.testing.subject import Subject

__all__ = ["CHECKS", "BlueprintConformance", "Subject", "check_blueprint", "subjects_of"]

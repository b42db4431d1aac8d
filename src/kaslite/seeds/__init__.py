"""Seeds and where they sit: the mechanics of growing, without any opinion on when to grow.

Transitions return the event that describes them; nobody here emits one.
"""

from kaslite.seeds.layer import SeedLayer
from kaslite.seeds.model import SeededModel
from kaslite.seeds.seed import Seed
from kaslite.seeds.span import Span

__all__ = ["Seed", "SeedLayer", "SeededModel", "Span"]

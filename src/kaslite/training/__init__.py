"""Training: the loop, and the Grower that carries decisions out. Emits events; knows no sink."""

from kaslite.training.evaluation import Evaluation
from kaslite.training.grower import Grower

__all__ = ["Evaluation", "Grower"]

"""Training: the loop, and the Grower that carries decisions out. Emits events; knows no sink."""

from kaslite.training.durations import Durations
from kaslite.training.evaluation import Evaluation
from kaslite.training.governor import GovernorConfig
from kaslite.training.grower import Grower
from kaslite.training.saving import load, save
from kaslite.training.twin import TwinTraining

__all__ = ["Durations", "Evaluation", "GovernorConfig", "Grower", "TwinTraining", "load", "save"]

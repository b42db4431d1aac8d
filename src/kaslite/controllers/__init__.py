"""Controllers: they look at an `Observation` and answer with a `Decision`; they never touch a model."""

from kaslite.controllers.base import (
    Advance,
    Controller,
    Cull,
    Decision,
    Fossilize,
    Germinate,
    Observation,
    SeedObservation,
    Stop,
    Wait,
)
from kaslite.controllers.plateau import Plateau
from kaslite.controllers.schedule import Planned, Schedule

__all__ = [
    "Advance",
    "Controller",
    "Cull",
    "Decision",
    "Fossilize",
    "Germinate",
    "Observation",
    "Planned",
    "Plateau",
    "Schedule",
    "SeedObservation",
    "Stop",
    "Wait",
]

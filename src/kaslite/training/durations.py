"""How long a seed stays in the states that it leaves by time. Not for: states that it leaves by evidence alone."""

from __future__ import annotations

from dataclasses import dataclass, fields

from kaslite.errors import UsageError


@dataclass(frozen=True)
class Durations:
    """Epochs in states.

    >>> Durations(embargo_epochs=-1)
    Traceback (most recent call last):
        ...
    kaslite.errors.UsageError: embargo_epochs is -1; a duration is a whole number of epochs, 0 or more.
    """

    probation_epochs: int = 3  # in a row that the evidence has to hold before a seed may be fossilized
    embargo_epochs: int = 5  # that the place of a culled seed stays closed
    reset_epochs: int = 1  # that it then takes to be dormant again

    def __post_init__(self) -> None:
        """Refuse what is no number of epochs."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int) or value < 0:
                raise UsageError(f"{field.name} is {value!r}; a duration is a whole number of epochs, 0 or more.")

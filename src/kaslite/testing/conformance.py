"""The conformance kit of blueprints: every check, on every kind and several widths, in the precisions that count.

>>> import kaslite.testing
>>> class TestLowRank(kaslite.testing.BlueprintConformance):  # pytest runs it
...     blueprint = "low_rank"
>>> kaslite.testing.check_blueprint("low_rank", dtypes=[torch.float32])  # or anywhere, in one call
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from kaslite import blueprints
from kaslite.blueprints.shape import FeatureKind, SeedShape
from kaslite.testing import behaviour, hosting, learning, portability
from kaslite.testing.subject import Subject, require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTHS = ((12, 12), (8, 20), (20, 8), (1, 1), (2, 2), (3, 3))
"""What it reads and writes: equal, widening, narrowing, and as narrow as can be."""
DTYPES = (torch.float32, torch.bfloat16)
NARROW = 4
"""Narrower ones are tested in the first precision only."""
CHECKS: tuple[Callable[[Subject], None], ...] = (
    learning.check_identity_at_birth,
    learning.check_gradients_alive,
    learning.check_learns,
    behaviour.check_builds_alike,
    behaviour.check_deterministic,
    behaviour.check_remembers_nothing,
    behaviour.check_modes_agree,
    behaviour.check_samples_apart,
    behaviour.check_looks_not_ahead,
    portability.check_moves_precision,
    portability.check_moves_device,
    portability.check_state_round_trip,
    portability.check_exports,
    hosting.check_lives_in_batch_norm_host,
)


def subjects_of(
    name: str,
    *,
    widths: Sequence[tuple[int, int]] = WIDTHS,
    dtypes: Sequence[torch.dtype] = DTYPES,
    devices: Sequence[str] = ("cpu",),
) -> list[Subject]:
    """Return the cases of one blueprint: its kinds and all widths that it does not refuse, sequences also as causal ones.

    Raises:
        AssertionError: if it refuses every width of a kind that it declares.
    """
    blueprint = blueprints.get(name)
    shapes = []
    for kind in FeatureKind:
        if kind in blueprint.kinds:
            fitting = [s for s in _shapes(kind, widths) if blueprint.refusal(s) is None]
            require(fitting, f"{name} declares the kind {kind}, and refuses every width of {list(widths)}")
            shapes += fitting
    return [
        Subject(blueprint, shape, dtype, device)
        for shape in shapes
        for dtype in (dtypes[:1] if min(shape.reads, shape.writes) < NARROW else dtypes)
        for device in devices
    ]


def check_blueprint(
    name: str,
    *,
    widths: Sequence[tuple[int, int]] = WIDTHS,
    dtypes: Sequence[torch.dtype] = DTYPES,
    devices: Sequence[str] = ("cpu",),
) -> None:
    """Run every check on every case of a registered blueprint; the first that fails raises `AssertionError`.

    Args:
        name: the blueprint's.
        widths: pairs of what it reads and what it writes; those that it refuses are left out.
        dtypes: precisions.
        devices: where to run.
    """
    for subject in subjects_of(name, widths=widths, dtypes=dtypes, devices=devices):
        for check in CHECKS:
            check(subject)


class BlueprintConformance:
    """Inherit it in a test module, with the name of your blueprint: pytest finds the rest."""

    blueprint: str
    widths: Sequence[tuple[int, int]] = WIDTHS
    dtypes: Sequence[torch.dtype] = DTYPES
    devices: Sequence[str] = ("cpu",)

    @classmethod
    def subjects(cls) -> list[Subject]:
        """Return the cases to test."""
        return subjects_of(cls.blueprint, widths=cls.widths, dtypes=cls.dtypes, devices=cls.devices)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make one test of each check on each case; called by pytest."""
        if metafunc.function.__name__ == "test_it_conforms":
            metafunc.parametrize("subject", self.subjects(), ids=str)
            metafunc.parametrize("check", CHECKS, ids=[check.__name__.removeprefix("check_") for check in CHECKS])

    def test_it_conforms(self, check: Callable[[Subject], None], subject: Subject) -> None:
        """Run one check on one case."""
        check(subject)


def _shapes(kind: FeatureKind, widths: Sequence[tuple[int, int]]) -> list[SeedShape]:
    shapes = [SeedShape(kind, reads, writes) for reads, writes in widths]
    causal = [SeedShape(kind, reads, writes, causal=True) for reads, writes in widths[:1]]
    return shapes + causal if kind is FeatureKind.SEQUENCE else shapes

"""``mlp_gradmax``: the `mlp` that starts where its gradient is large (after GradMax, Evci et al. 2022).

The other family of initialisations: here the layer *into* the hidden units starts at zero, weights and biases. GELU(0) is
exactly 0, so the delta is exactly 0 at birth; and GELU'(0) is 1/2, so no unit is dead, where ReLU'(0) = 0 would kill all.
The layer *out of* them starts random with rows of length 2, nearly orthogonal: that undoes the slope of 1/2, so the
gradient at the output arrives at the hidden units at about its own length, twice what `mlp` starts with. GradMax takes
singular vectors of the host's gradient instead; a recipe has seen no gradient, and for one whose direction is not known
no basis is better than another. (Exactly orthogonal rows would take ten times as long to build.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from kaslite.blueprints.layers import normalisation, pointwise
from kaslite.blueprints.mlp import hidden_width
from kaslite.blueprints.registry import blueprint

if TYPE_CHECKING:
    from kaslite.blueprints.shape import SeedShape

ROW_LENGTH = 2  # 1 / GELU'(0)


@blueprint("mlp_gradmax", kinds=["dense", "sequence", "image"])
def mlp_gradmax(shape: SeedShape) -> nn.Module:
    """Build what `mlp` builds, with zeros going in and random rows of length 2 going out."""
    hidden = hidden_width(shape)
    narrow = pointwise(shape.kind, hidden, shape.writes, zero=True)
    nn.init.normal_(narrow.weight, std=ROW_LENGTH * hidden**-0.5)
    widen = pointwise(shape.kind, shape.reads, hidden, zero=True)
    return nn.Sequential(normalisation(shape.kind, shape.reads), widen, nn.GELU(), narrow)

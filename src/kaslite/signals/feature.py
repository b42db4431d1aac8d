"""Statistics of the feature at one point of a network, over a batch of samples.

Not for: gathering features; `kaslite.seeds.layer` hands them over.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def health(feature: Float[Tensor, " batch *rest"]) -> Float[Tensor, ""]:
    """Return the mean variance of each unit over the batch: low where a layer hardly tells samples apart.

    The documented health signal (activation variance); lower is worse.
    """
    values = feature.detach().float()
    return (values - values.mean(dim=0)).square_().mean()  # `var` over rows is some ten times slower on a CPU


def drift(before: Float[Tensor, " batch *rest"], after: Float[Tensor, " batch *rest"]) -> Float[Tensor, ""]:
    """Return ``1 - cosine`` between each sample's feature before and after, averaged: 0 = same direction, 2 = opposite.

    It cannot see a change of scale. A sample that did not change did not drift, one whose feature is all zeros included.
    """
    if after is before:  # no seed takes part: the usual case, not worth the reading
        return torch.zeros((), device=before.device)
    rows = before.detach().float().flatten(1), after.detach().float().flatten(1)
    cosines = functional.cosine_similarity(*rows, dim=1)
    return 1 - cosines.where((rows[0] != rows[1]).any(1), 1.0).mean()


def scale_drift(before: Float[Tensor, " batch *rest"], after: Float[Tensor, " batch *rest"]) -> Float[Tensor, ""]:
    """Return ``log(|after| / |before|)`` of each sample's feature, averaged: 0 = same size, log 2 = twice as large.

    What `drift` cannot see. A sample that did not change counts 0, and so does one whose feature is all zeros before or after:
    it has no ratio, and its drift is 1.
    """
    if after is before:
        return torch.zeros((), device=before.device)
    old, new = before.detach().float().flatten(1).norm(dim=1), after.detach().float().flatten(1).norm(dim=1)
    return (new / old).log().where((old > 0) & (new > 0) & (old != new), 0.0).mean()

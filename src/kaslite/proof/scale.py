"""How much is spent on a proof: enough to see that all of it works, or enough to believe it."""

from __future__ import annotations

from kaslite.proof.arm import Scale

SCALES = {
    "quick": Scale("quick", rng_seeds=range(5), effort=0.05),
    "full": Scale("full", rng_seeds=range(10)),
}

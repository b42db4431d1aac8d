"""The claims of this project by name, those that are not built yet too.

Not for: judging; each claim's own file does.
"""

from __future__ import annotations

from kaslite.proof.arm import Claim
from kaslite.proof.claims.against_scratch import AGAINST_SCRATCH
from kaslite.proof.claims.depth_growth import DEPTH_GROWTH
from kaslite.proof.claims.gate import GATE
from kaslite.proof.claims.generation_one import GENERATION_ONE
from kaslite.proof.claims.second_task import SECOND_TASK

_NOT_BUILT = (
    Claim(
        "C2",
        "You don't know the right size: one growing run replaces a sweep of sizes.",
        "within .3 points of the best static network of a width and depth sweep, at <= 30 % of the sweep's FLOPs",
    ),
    Claim(
        "C4",
        "Your trained model is too small: growing it is cheaper than starting again.",
        "the accuracy of the right-sized network from scratch in <= 50 % of its FLOPs",
    ),
    Claim(
        "C6",
        "A controller is worth having.",
        "beats random round-robin growth at equal FLOPs on held-out tasks, interval excludes 0",
    ),
    Claim(
        "C7",
        "Choosing which seed pays.",
        "lower bound >= +15 % against always the first seed, and > 0 against uniform; about 0 where seeds are interchangeable",
    ),
    Claim(
        "C9",
        "Two spirals of two rotations.",
        ">= 99.5 % at <= 986 MFLOP; 99 % of the static 2 x 32 network at < .20 of its FLOPs and below its wall time",
    ),
    Claim("C10", "Digits.", "97.1 % at <= 1,427 MFLOP; >= 96.5 % at <= 1,482 parameters"),
    Claim("C11", "Growing itself is cheap.", "< 5 % of the run time"),
)

_NUMBERED = sorted(
    (DEPTH_GROWTH, AGAINST_SCRATCH, SECOND_TASK, GENERATION_ONE, *_NOT_BUILT), key=lambda claim: int(claim.name[1:])
)

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in (*_NUMBERED, GATE)}

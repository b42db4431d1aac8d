"""``kaslite prove``: run the arms of claims about growing, and judge them."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from kaslite.cli.output import Output
from kaslite.errors import UsageError, unknown_name

PROOF = Path("results/proof")


def prove(
    *claims: str,
    quick: bool = False,
    full: bool = False,
    rng_seeds: int | None = None,
    workers: int = 2,
    results_dir: Path = PROOF,
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Run the arms of claims about growing side by side, and judge each: shown, not shown, or shown against.

    Runs that are there already, of the same settings and the same code, are not run again, so an interrupted proof goes on; its
    folder holds rows, runs, and a page, results.md, of all claims that have rows there.

    Parameters
    ----------
    claims
        Names of claims; all of them by default. C1, C3, C5 and gate are built; the others are told as "not yet run".
    quick
        A few short runs of each arm, to see that everything works; this is the default.
    full
        At least ten rng seeds of each arm, as the published results.
    rng_seeds
        Runs of each arm, instead of 5 and 10; fewer than 5 say nothing.
    workers
        Processes, with one thread each; 0 runs everything in this one.
    results_dir
        Folder that gets rows, runs and the results page, apart for --quick and --full.
    """
    if quick and full:
        raise UsageError("both --quick and --full are given; choose one.")
    if rng_seeds is not None and rng_seeds < 1:
        raise UsageError(f"rng_seeds is {rng_seeds}; it has to be 1 or more.")
    if workers < 0:
        raise UsageError(f"workers is {workers}; it has to be 0 or more.")
    from kaslite.proof.claims import CLAIMS
    from kaslite.proof.report import judged, judged_rows, page, summary
    from kaslite.proof.rows import write_text
    from kaslite.proof.runner import prove as carry_out
    from kaslite.proof.scale import SCALES

    for name in claims:
        if name not in CLAIMS:
            raise unknown_name("claim", name, CLAIMS)
    scale = SCALES["full" if full else "quick"]
    if rng_seeds is not None:
        scale = dataclasses.replace(scale, rng_seeds=range(rng_seeds))
    folder = results_dir / scale.name
    output.hear_warnings()
    results = []
    with output.progress() as tell:
        for claim in (CLAIMS[name] for name in dict.fromkeys(claims or CLAIMS)):
            table = (
                None
                if claim.trials is None
                else carry_out(claim, scale, folder, workers=workers, tell=partial(tell, claim.name))
            )
            results.append(judged(claim, table, scale))
            write_text(folder / "results.md", page([judged_rows(each, scale, folder) for each in CLAIMS.values()]))
    output.say(summary(results), {"claims": [result.as_json() for result in results]})

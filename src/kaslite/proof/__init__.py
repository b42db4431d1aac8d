"""The proof that growing pays: arms in lockstep, honest budgets, paired intervals, one verdict a claim.

    claims -> trials (a task, its arms) -> runner (lanes in worker processes) -> rows -> findings -> verdict -> page

Not for: many runs that are not compared; nor for tuning.
"""

"""How softly blends land: the loss just before and just after every tick of a ramp and every change of state.

Between the two nothing trains, so whatever differs is the doing of that one tick. ``python -m benchmarks.soft_landing`` carries
out runs of `kaslite run` with each strategy pinned, and with ADAPTIVE, and prints tables; docs/log.md tells what it printed.
Not for: whether blending pays; `kaslite prove` asks that.
"""

import argparse
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import torch

from kaslite.blending import ADAPTIVE, STRATEGIES
from kaslite.experiment.assembly import assemble
from kaslite.experiment.config import resolve
from kaslite.lifecycle import SeedState
from kaslite.proof.intervals import paired_interval
from kaslite.randomness import own_global_streams
from kaslite.seeds import Seed
from kaslite.training.evaluation import cross_entropies, evaluate_now, evaluate_on
from kaslite.training.transitions import Transitions

EXAMPLES = Path(__file__).parent.parent / "examples" / "runs"
SPIRALS = {"problem_type": "spirals", "n_samples": 1000, "rotations": 2, "hidden_dim": 8, "seeds_per_layer": 2}
TASKS = {
    "digits": {"problem_type": "digits"},
    "spirals": SPIRALS | {"acc_threshold": 0.99, "adaptation_epochs": 300},  # as in examples/runs/spirals.yaml
    "digits, early": {
        "problem_type": "digits",
        "warm_up_epochs": 0,
        "adaptation_epochs": 60,
        "controller": "schedule",
        "schedule": ["2 blocks.0:0 mlp", "5 blocks.1:0 mlp", "8 blocks.2:0 mlp"],
    },
    "spirals, early": SPIRALS
    | {
        "warm_up_epochs": 0,
        "adaptation_epochs": 120,
        "controller": "schedule",
        "schedule": ["10 blocks.0:0 mlp", "20 blocks.1:0 mlp", "30 blocks.2:0 mlp"],
    },
}
NO_SECTION = "no section"
MOVING = (SeedState.GERMINATED, SeedState.BLENDING)


@dataclass(frozen=True)
class Jump:
    """What one tick, or one change of state, did to the held-out loss."""

    what: str  # "tick": a ramp rose or held; "fade": it fell; "state": a seed changed its state
    strategy: str | None
    loss_before: float
    loss_after: float
    ramp_step: float = 0.0
    move: str = ""

    @property
    def size(self):
        """How far the loss rose; below 0 it fell."""
        return self.loss_after - self.loss_before


@contextmanager
def watched(experiment):
    """Yield the list to which every jump of the run is added."""
    jumps, inside, tick_step = [], [], Transitions.tick_step
    validation = experiment.task.validation.to(experiment.device)

    def losses():
        return evaluate_on(experiment.model, validation.inputs, validation.targets, cross_entropies)

    def loss():
        return evaluate_now(experiment.model, losses).loss

    def watch_ramp(set_ramp):
        def call(seed, ramp):
            before, step = loss(), ramp - seed.ramp
            set_ramp(seed, ramp)
            strategy = seed.record.blend.strategy if seed.record.blend else None
            jumps.append(Jump("fade" if step < 0 else "tick", strategy, before, loss(), step))
            inside.append(jumps[-1].size)

        return call

    def watch_move(carry_out):
        def call(transitions, subject):
            if carry_out is tick_step and subject.state not in MOVING and subject.ramp in (0, 1):
                return carry_out(transitions, subject)  # it trains in the shadow, or is fully in: most steps
            inside.clear()
            before, states = loss(), [seed.state for seed in experiment.model.seeds]
            events = carry_out(transitions, subject)
            if states != [seed.state for seed in experiment.model.seeds]:
                moves = [f"{e.from_state} -> {e.to_state}" for e in events if e.type == "seed_state_changed"]
                jumps.append(Jump("state", None, before + sum(inside), loss(), move=", ".join(moves)))
            return events

        return call

    with ExitStack() as patches:
        patches.enter_context(patch.object(Seed, "set_ramp", watch_ramp(Seed.set_ramp)))
        for name in ("tick_step", "tick_epoch", "carry_out"):
            patches.enter_context(patch.object(Transitions, name, watch_move(getattr(Transitions, name))))
        yield jumps


class Events(list):
    """A sink that keeps what it is given."""

    write = list.append

    def close(self):
        """Keep it."""


def run_watched(settings):
    """Carry out one run as `kaslite run` does, without a folder; return its jumps, events and metrics."""
    config = resolve({"stop_when_solved": False, **settings})
    with own_global_streams(config.rng_seed, "global"):
        experiment = assemble(config)
        experiment.sink = Events()
        with watched(experiment) as jumps:
            experiment.train(lambda: None)
        return jumps, experiment.sink, experiment.test()


def row(task, arm, rng_seed):
    """Carry out one run, and return what the tables tell of it."""
    torch.set_num_threads(1)
    section = {} if arm == NO_SECTION else {"blending": {"strategy": arm}}
    jumps, events, metrics = run_watched({**TASKS[task], **section, "rng_seed": rng_seed})
    chosen = [event.strategy_name for event in events if event.type == "blend_strategy_chosen"]
    completed = [event.strategy_name for event in events if event.type == "blend_completed"]
    return {
        "task": task,
        "arm": arm,
        "rng_seed": rng_seed,
        "test_accuracy": metrics["test_accuracy"],
        "test_loss": metrics["test_loss"],
        "fossilized": metrics["fossilized"],
        "chosen": chosen,
        "completed": completed,
        "durations": [event.duration_epochs for event in events if event.type == "blend_completed"],
        "overdue": [
            event.reason for event in events if event.type == "seed_culled" and event.reason.startswith("its blend by")
        ],
        "jumps": [asdict(jump) for jump in jumps],
    }


def sizes(rows, what):
    """Return how far the loss rose at each jump of one kind."""
    return [jump["loss_after"] - jump["loss_before"] for row in rows for jump in row["jumps"] if jump["what"] == what]


def print_row(*cells):
    """Print one row of a table in Markdown."""
    print("|", " | ".join(map(str, cells)), "|")  # noqa: T201


def print_landing(rows):
    """Print, for each task and arm, the largest jumps and how its blends ended."""
    rises = "Largest rise of the loss at a tick", "Largest fall", "Largest change at a change of state"
    print_row("Task", "Strategy", "Runs", "Blends", "Completed", "Overdue", "Mean epochs", "Largest step of the ramp", *rises)
    print_row(*["---"] * 11)
    for task, arm in dict.fromkeys((row["task"], row["arm"]) for row in rows):
        own = [row for row in rows if (row["task"], row["arm"]) == (task, arm)]
        ticks, states = sizes(own, "tick"), sizes(own, "state")
        steps = [jump["ramp_step"] for row in own for jump in row["jumps"] if jump["what"] == "tick"]
        counts = [sum(len(row[kind]) for row in own) for kind in ("chosen", "completed", "overdue")]
        durations = [epochs for row in own for epochs in row["durations"]]
        cells = [
            task,
            arm,
            len(own),
            *counts,
            f"{fmean(durations):.1f}" if durations else "-",
            f"{max(steps, default=0):.3f}",
            f"{max(ticks, default=0):+.4f}",
            f"{min(ticks, default=0):+.4f}",
            f"{max(map(abs, states), default=0):.1e}",
        ]
        print_row(*cells)


def print_gain(rows):
    """Print what ADAPTIVE changes against the fixed ramp, paired over the rng seeds."""
    print_row("Task", "Pairs", "No section", "ADAPTIVE", "Gain, points (95 %)", "Runs that differ", "Chosen", "Completed")
    print_row(*["---"] * 8)
    for task in dict.fromkeys(row["task"] for row in rows):
        fixed, adaptive = (
            {row["rng_seed"]: row for row in rows if (row["task"], row["arm"]) == (task, arm)} for arm in (NO_SECTION, ADAPTIVE)
        )
        both = sorted(fixed.keys() & adaptive.keys())
        if not both:
            continue
        then, now = ([arm[seed]["test_accuracy"] for seed in both] for arm in (fixed, adaptive))
        gain = paired_interval([100 * (b - a) for a, b in zip(then, now, strict=True)])
        differ = sum(fixed[seed]["test_loss"] != adaptive[seed]["test_loss"] for seed in both)
        chosen, completed = (
            Counter(name for seed in both for name in adaptive[seed][kind]) for kind in ("chosen", "completed")
        )
        cells = [
            task,
            len(both),
            f"{100 * fmean(then):.2f}",
            f"{100 * fmean(now):.2f}",
            f"{gain.mean:+.2f} ({gain.lower:+.2f} to {gain.upper:+.2f})",
            differ,
            dict(chosen),
            dict(completed),
        ]
        print_row(*cells)


def main():
    """Carry out all runs and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rng_seeds", type=int, default=10)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--arms", nargs="+", default=[NO_SECTION, ADAPTIVE, *STRATEGIES])
    parser.add_argument(
        "--rows", type=Path, help="where to keep the rows, as JSON lines; those that are there are not run again"
    )
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    kept = (
        [json.loads(line) for line in arguments.rows.read_text().splitlines()]
        if arguments.rows and arguments.rows.exists()
        else []
    )
    there = {(row["task"], row["arm"], row["rng_seed"]) for row in kept}
    wanted = [(t, a, s) for s in range(arguments.rng_seeds) for t in arguments.tasks for a in arguments.arms]
    with ProcessPoolExecutor(arguments.workers) as pool:
        for found in pool.map(row, *zip(*[w for w in wanted if w not in there], strict=True)) if set(wanted) - there else ():
            kept.append(found)
            if arguments.rows:
                with arguments.rows.open("a") as file:
                    file.write(json.dumps(found) + "\n")
    kept.sort(key=lambda r: (list(TASKS).index(r["task"]), [NO_SECTION, ADAPTIVE, *STRATEGIES].index(r["arm"]), r["rng_seed"]))
    print_landing(kept)
    print_gain(kept)


if __name__ == "__main__":
    main()

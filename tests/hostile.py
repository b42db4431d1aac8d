"""An event log whose every name and text would like to be markup."""

from __future__ import annotations

from dataclasses import replace

from kaslite.events import (
    DecisionMade,
    Event,
    PhaseStarted,
    RunStarted,
    SeedGerminated,
    SeedStateChanged,
    Submodule,
)
from tests.dashboard.test_fold import epoch, reading

SCRIPT = "<script>window.hacked=1</script>"
IMAGE = "<img src=x onerror='window.hacked=1'>"
END = f"</script><!--{SCRIPT}&lt;b&gt;"
LAYER = f"blocks.{IMAGE}"
AT = {"layer": LAYER, "seed": 0, "blueprint_id": f"mlp{SCRIPT}"}


def hostile_events(name: str = f"run {SCRIPT}{IMAGE}") -> list[Event]:
    """Return a run of two epochs, in which a seed germinates."""
    live = replace(reading(0.5, "training"), **AT, blend_strategy=END)
    return [
        RunStarted(
            epoch=0,
            timestamp=1750000000.0,
            run_name=name,
            config={"problem_type": IMAGE, SCRIPT: END, "rng_seed": 0},
            seeds=((LAYER, 0), ("blocks.0", 0)),
            host_params=10,
            num_threads=1,
            versions={IMAGE: SCRIPT},
            submodules=(Submodule(name="blocks", kind=IMAGE, params=10), Submodule(name=LAYER, kind=SCRIPT, params=10)),
        ),
        PhaseStarted(epoch=0, phase=f"phase {SCRIPT}", epochs=2),
        epoch(1),
        DecisionMade(epoch=1, decision="germinate", reason=END, **AT, refusal=IMAGE),
        SeedGerminated(epoch=1, **AT, params=8),
        SeedStateChanged(epoch=1, **AT, from_state="dormant", to_state="germinated", reason=IMAGE),
        SeedStateChanged(epoch=1, **AT, from_state="germinated", to_state="training", reason=END),
        epoch(2, live),
    ]

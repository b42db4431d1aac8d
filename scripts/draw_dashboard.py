"""Draw docs/dashboard.svg, the picture in the README: the digits of `make demo`, one seed fossilized while another blends."""

from __future__ import annotations

import io
import re
import tempfile
from functools import reduce
from itertools import accumulate
from pathlib import Path

from rich.console import Console

from kaslite.dashboard.fold import RunView, fold
from kaslite.dashboard.terminal import render
from kaslite.experiment.config import resolve
from kaslite.experiment.run import run
from kaslite.telemetry import read_log

# Thresholds that this small run comes across, so that its blends are not all alike.
BLENDING = {"performance_loss_factor": 0.94, "grad_norm_lower": 0.01}
PICTURE = Path(__file__).parent.parent / "docs" / "dashboard.svg"


def worth_drawing(view: RunView) -> bool:
    """Say whether the frame shows both ends of a seed's life."""
    states = {seed.state for seed in view.seeds.values() if seed.alpha > 0}
    return {"fossilized", "blending"} <= states


def main() -> None:
    """Run the demo, find a telling frame, draw it."""
    settings = {"problem_type": "digits", "blending": BLENDING}
    with tempfile.TemporaryDirectory() as results:
        events = list(read_log(run(resolve(settings), Path(results)).run_dir / "events.jsonl"))
    frames = accumulate(events, fold, initial=RunView())
    frame = next(filter(worth_drawing, frames), None) or reduce(fold, events, RunView())
    console = Console(file=io.StringIO(), record=True, width=124, force_terminal=True)
    console.print(render(frame))
    flags = " ".join(f"--blending.{name} {value}" for name, value in BLENDING.items())
    svg = console.export_svg(title=f"kaslite run --problem_type digits {flags}", unique_id="kaslite")
    # The picture loads no font from elsewhere: the reader's own monospaced one will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    PICTURE.write_text(svg, encoding="utf-8")
    print(f"drew {PICTURE}")


if __name__ == "__main__":
    main()

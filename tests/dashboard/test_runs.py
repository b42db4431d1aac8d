from __future__ import annotations

import io

from rich.console import Console

from kaslite.dashboard.runs import RunsBar


def test_the_bar_of_a_group_tells_how_far_it_is_and_how_long_the_rest_will_take() -> None:
    stream = io.StringIO()
    with RunsBar(Console(file=stream, force_terminal=True, width=120)) as bar:
        bar.tell("C1", "small, grown, rng seed 0", 1, 90, 3600.0)
        bar.tell("C3", "digits, grown, rng seed 0", 90, 90, 0.0)
    last = stream.getvalue()
    assert "1/90" in last
    assert "1 h 0 min left, last: small, grown, rng seed 0" in last
    assert "90/90" in last

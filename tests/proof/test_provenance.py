from __future__ import annotations

from pathlib import Path

import kaslite
from kaslite.proof.provenance import SOURCES, digest_of

PACKAGE = Path(kaslite.__file__).parent


SILENT = {
    "__init__.py", "__main__.py", "cli", "dashboard", "errors.py", "events.py", "experiment", "proof", "sweeps",
    "telemetry", "testing", "whole_file.py",
}  # fmt: skip
"""What only shows, stores, judges or checks; of the experiment and the proof, single files compute."""


def test_every_room_either_computes_or_does_not() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.suffix in ("", ".py") and path.name != "__pycache__"}
    computing = {source for source in SOURCES if "/" not in source}
    assert rooms == SILENT | computing
    assert not SILENT & computing
    assert all((PACKAGE / source).exists() for source in SOURCES)


def test_the_digest_is_of_everything_that_computes_and_of_nothing_that_is_said_about_it(tmp_path: Path) -> None:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "seed.py").write_text("alpha = 1")
    first = digest_of(tmp_path)
    assert first == digest_of(tmp_path)
    (tmp_path / "cli.py").write_text("print()")
    assert first == digest_of(tmp_path)
    (tmp_path / "seeds" / "seed.py").write_text('"""A seed."""\n\nalpha = 1  # its weight\n')
    assert first == digest_of(tmp_path)
    (tmp_path / "seeds" / "seed.py").write_text("alpha = 2")
    assert first != digest_of(tmp_path)

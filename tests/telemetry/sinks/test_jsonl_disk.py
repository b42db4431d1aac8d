"""What happens when the disk is full: one sentence, and nothing that looks like a result."""

import subprocess
import sys

from kaslite.telemetry import read_log


def test_a_run_on_a_full_disk_ends_with_one_sentence_and_a_log_that_can_be_read(tmp_path):
    command = f"ulimit -f 8; {sys.executable} -m kaslite run -q --n_samples 60 --results_dir {tmp_path}"
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("kaslite: cannot write the event log")
    assert done.stderr.count("\n") == 1
    (run_dir,) = tmp_path.iterdir()
    (log,) = run_dir.glob("results_*.log")
    assert {path.name for path in run_dir.iterdir()} == {"config.yaml", "events.jsonl", log.name}
    assert next(read_log(run_dir / "events.jsonl")).type == "run_started"

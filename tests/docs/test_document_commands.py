"""Every command of docs/experiments.md, as it stands there, in a fresh clone of what is in the working tree.

Dependencies are those of the environment that runs the tests: the clone is installed into one of its own, which sees them.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
BLOCKS = [
    [line for line in block.splitlines() if line and not line.startswith("#")]
    for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
]
FIRST_TIME, NEEDS_REMOTE = "dvc init", "dvc remote add -d storage s3://my-bucket/dvc-storage"
SERVERS = {  # and what to ask them for: the runs that were made before
    "mlflow ui": "api/2.0/mlflow/experiments/get-by-name?experiment_name=kaslite",
    "tensorboard": "data/runs",
}
AWAY = {"dvc push": "after it was told to push to a bucket of S3, which nobody has here; before that it is run"}

ELSEWHERE = {
    "docker compose up -d": "needs a Docker daemon; tests/monitoring has the parts of the stack",
    "docker compose up -d prometheus grafana alertmanager": "likewise",
    "open http://localhost:3000": "needs a desktop, and the stack",
    "open http://localhost:9090": "likewise",
}


class Clones:
    """Fresh clones, an environment that they are installed into, and a remote for each of git and DVC."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        venv = folder / "venv"
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        inside = next(venv.glob("lib/python*/site-packages"))
        (inside / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        path = f"{venv / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        off = ("KASLITE_NO_MLFLOW", "KASLITE_NO_TENSORBOARD", "KASLITE_NO_METRICS")
        hidden = ("PYTHONPATH", *off, "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")
        self.env = {name: value for name, value in os.environ.items() if name not in hidden and not name.startswith("GIT_")}
        self.env |= {"PATH": path, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / "dvc-site")}
        self.env |= {f"GIT_{who}_{what}": "it@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        # What builds it is fetched first, so that nothing else is: the rest is there.
        self.run("pip install --quiet hatchling editables", folder)
        self.env |= {"PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        self._publish()

    def _publish(self) -> None:
        source = self.folder / "source"
        for name in filter(None, self.run("git ls-files -coz --exclude-standard", ROOT).split("\0")):
            if (ROOT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, source / name)
        self.run("git init --quiet && git add . && git commit --quiet -m it", source)
        self.run("git clone --quiet --bare source origin.git", self.folder)

    def clone(self) -> Path:
        self.count += 1
        self.run(f"git clone --quiet origin.git clone_{self.count}", self.folder)
        return self.folder / f"clone_{self.count}"

    def run(self, command: str, cwd: Path) -> str:
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=cwd,
            env=self.env,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
        return done.stdout

    def serve(self, command: str, cwd: Path, asked: str) -> None:
        """Start a server on a free port, wait until it has answered, and stop it."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (self.folder / "server.log").open("w+") as log:
            server = subprocess.Popen(
                ["/bin/bash", "-c", f"exec {command} --port {port}"],
                cwd=cwd,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                assert self._answers(server, f"http://127.0.0.1:{port}/{asked}"), (
                    f"{command}\n{Path(log.name).read_text()[-4000:]}"
                )
            finally:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait(60)

    @staticmethod
    def _answers(server: subprocess.Popen[bytes], address: str) -> bool:
        deadline = time.monotonic() + 120
        while server.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  our own
                    return answer.status == 200
            except OSError:
                time.sleep(0.2)
        return False


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_command_of_the_page_exits_with_0(tmp_path):
    clones = Clones(tmp_path)
    place, bucket = clones.clone(), False
    for block in BLOCKS:
        if FIRST_TIME in block:
            place = clones.clone()
        for command in block:
            bucket |= command == NEEDS_REMOTE
            if command in ELSEWHERE or (bucket and command in AWAY):
                continue
            started = time.monotonic()
            asked = next((asked for name, asked in SERVERS.items() if command.startswith(name)), None)
            if asked is None:
                clones.run(command, place)
            else:
                clones.serve(command, place, asked)
            print(f"{time.monotonic() - started:6.1f} s  {command}")  # noqa: T201
            if command == FIRST_TIME:
                clones.run(f"dvc remote add -d local {tmp_path / 'dvc-storage'}", place)
    assert list((tmp_path / "dvc-storage").rglob("*"))


def test_what_is_not_run_stands_on_the_page():
    assert AWAY.keys() | ELSEWHERE.keys() <= {command for block in BLOCKS for command in block}


def test_the_documented_script_is_kaslite_run(tmp_path):
    flags = ["--problem-type", "moons", "--blend_steps", "30", "--dry_run"]
    script = [sys.executable, str(ROOT / "scripts" / "run_morphogenetic_experiment.py")]
    told = [
        subprocess.run([*command, *flags], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
        for command in (script, [sys.executable, "-m", "kaslite", "run"])
    ]
    assert told[0] == told[1]
    assert "blend_steps: 30" in told[0]


def test_the_documented_script_passes_the_exit_code_on(tmp_path):
    script = [sys.executable, str(ROOT / "scripts" / "run_morphogenetic_experiment.py"), "--noise", "-1"]
    assert subprocess.run(script, cwd=tmp_path, check=False, capture_output=True).returncode == 2


def test_the_requirements_are_all_extras_as_the_constraints_pin_them():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["--constraint constraints.txt", "--editable .[all]"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.fullmatch(r"kaslite\[(.*)\]", project["optional-dependencies"]["all"][0])
    needed = [
        *project["dependencies"],
        *(need for extra in extras[1].split(",") for need in project["optional-dependencies"][extra]),
    ]
    pinned = {plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert {plain(re.match(r"[\w.-]+", need)[0]) for need in needed} <= pinned


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()

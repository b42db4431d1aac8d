"""Jobs as tasks of a Ray cluster: the one that ``RAY_ADDRESS`` names, or else one on this machine, which ends with the jobs.

Each takes a core of the cluster, and a GPU if it says so. Needs the extra ``ray``. Not for: moving files between machines;
every node has to see the folders that the jobs work in.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, final

from kaslite.errors import KasliteError, UsageError
from kaslite.experiment.workers import Titled, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable

J = TypeVar("J", bound=Titled)
R = TypeVar("R")

_OBJECTS = 100_000_000  # bytes for what tasks pass on, which is hardly anything
_ADDRESS = "RAY_ADDRESS"


@final
class RayTasks(Generic[J, R]):
    """Carries each job out as a task of Ray. A cluster that this program is connected to already is used, and left as it is.

    Args:
        carry_out: does one, and raises a `KasliteError` if it fails; a function of a module, which every node can import.
        cores: of a cluster on this machine.
        gpus: how many a job needs.

    Raises:
        UsageError: if Ray is not installed.
        KasliteError: if there is no cluster at that address.
    """

    def __init__(self, carry_out: Callable[[J], R], *, cores: int, gpus: Callable[[J], int] = lambda _: 0) -> None:
        self._ray = _ray()
        self._gpus = gpus
        self._is_ours = not self._ray.is_initialized()
        if self._is_ours:
            _connect(self._ray, cores)
        self._carry_out = carry_out
        self._task = self._ray.remote(max_retries=0, num_cpus=1)(_work)
        self._running: dict[Any, J] = {}

    @property
    def cores(self) -> int:
        """How many the cluster has."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def start(self, job: J) -> None:
        """Begin with a job, as soon as a core is free."""
        gpus = min(self._gpus(job), self._ray.cluster_resources().get("GPU", 0))  # without any it says so, and does without
        self._running[self._task.options(num_gpus=gpus).remote(self._carry_out, job, str(Path.cwd()))] = job

    def next_done(self) -> tuple[J, R | KasliteError]:
        """Wait until one is done."""
        (done,), _ = self._ray.wait(list(self._running), num_returns=1)
        job = self._running.pop(done)
        try:
            return job, self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            why = " ".join(str(error).split())
            return job, KasliteError(f"the task of {job.title} died on the Ray cluster: {why[:300]}")

    def __enter__(self) -> Self:
        """Need nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs; it can be gone on with."""
        for going in self._running:
            self._ray.cancel(going, force=True)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=10)
        if self._is_ours:
            self._ray.shutdown()


def _work(carry_out: Callable[[J], R], job: J, folder: str) -> R | KasliteError:
    try:
        os.chdir(folder)  # so that paths mean the same as where the jobs come from
    except OSError as error:
        node = os.uname().nodename
        return KasliteError(
            f"{job.title}: node {node} cannot enter {folder}: {error.strerror}; every node has to see the folder of the jobs."
        )
    return outcome_of(carry_out, job)


def _connect(ray: Any, cores: int) -> None:
    address = os.environ.get(_ADDRESS) or "local"
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    here: dict[str, Any] = {
        "num_cpus": cores,
        "include_dashboard": False,
        "object_store_memory": _OBJECTS,
        "_node_ip_address": "127.0.0.1",
    }
    try:
        ray.init(address, **quiet, **(here if address == "local" else {}))
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        why = " ".join(str(error).split())
        raise KasliteError(f"no Ray cluster at {address} ({_ADDRESS}): {why[:300]}") from error


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when it is imported
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change that does not concern us
    try:
        import ray
    except ImportError:
        raise UsageError(
            "the executor ray needs Ray; install it with `pip install kaslite[ray]`, or leave --executor out."
        ) from None
    return ray

"""Jobs as tasks of a Ray cluster: the one that ``RAY_ADDRESS`` names, or else one on this machine, which ends with the jobs.

Each takes a core of the cluster, and a GPU if it says so. Needs the extra ``ray``. Not for: moving files between machines;
every node has to see the folders that the jobs work in.
"""

from __future__ import annotations

import os
import pickle
import platform
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, final

from kaslite.errors import KasliteError, UsageError
from kaslite.experiment.workers import Titled, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

J = TypeVar("J", bound=Titled)
R = TypeVar("R")

_OBJECTS = 100_000_000  # bytes for what tasks pass on, which is hardly anything
_ADDRESS = "RAY_ADDRESS"
_ANSWERS_WITHIN_S = 3.0
_PATIENCE_S = 10.0  # for tasks that end


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
        self._there: dict[str, float] = self._ray.cluster_resources()
        self._carry_out = carry_out
        self._task = self._ray.remote(max_retries=0, num_cpus=1)(_work)
        self._running: dict[Any, J] = {}

    @property
    def cores(self) -> int:
        """How many the cluster has."""
        return int(self._there.get("CPU", 1))

    def start(self, job: J) -> None:
        """Begin with a job, as soon as a core is free."""
        gpus = min(self._gpus(job), self._there.get("GPU", 0))  # without any it says so, and does without
        packed = pickle.dumps((self._carry_out, job))  # so that it is unpacked where its modules are found
        self._running[self._task.options(num_gpus=gpus).remote(packed, sys.path, str(Path.cwd()))] = job

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
        if self._is_ours:
            self._ray.shutdown()  # the cluster ends what a program that leaves has begun
            return
        for going in self._running:
            self._ray.cancel(going)  # not by force: that may end this very program, by a check in Ray
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=_PATIENCE_S)


def _work(packed: bytes, modules: Sequence[str], folder: str) -> Any:
    """Carry a job out as if here were where it comes from: paths and modules mean the same."""
    try:
        os.chdir(folder)
    except OSError as error:
        node = platform.node()
        return KasliteError(f"{node} cannot enter {folder}: {error.strerror}; every node has to see the folder of the jobs.")
    sys.path += [path for path in modules if path not in sys.path]
    return outcome_of(*pickle.loads(packed))  # noqa: S301  it comes from our own program


def _connect(ray: Any, cores: int) -> None:
    address = os.environ.get(_ADDRESS) or "local"
    _check_answers(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    here: dict[str, Any] = {
        "num_cpus": cores,
        "include_dashboard": False,
        "object_store_memory": _OBJECTS,
    }
    try:
        ray.init(address, **quiet, **(here if address == "local" else {}))
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        why = " ".join(str(error).split())
        raise KasliteError(f"no Ray cluster at {address} ({_ADDRESS}): {why[:300]}") from error


def _check_answers(address: str) -> None:
    """Refuse a cluster that nobody can connect to, within seconds: Ray would go on trying for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWERS_WITHIN_S).close()
    except OSError as error:
        raise KasliteError(f"no Ray cluster answers at {address} ({_ADDRESS}): {error.strerror or error}.") from error


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

"""Prometheus and Alertmanager from what is installed on this machine, for those who have no Docker.

They read what the stack of docker-compose.yml reads, monitoring/ of the repository, which an installed package has inside;
only the ports may be others. Both listen on the loopback alone. Not for: Grafana, and the endpoint that a run serves.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from kaslite.errors import KasliteError, StorageError, UsageError
from kaslite.telemetry.file_lock import lock
from kaslite.telemetry.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HOST = "127.0.0.1"
_STOP_S, _LOOK_S = 10.0, 0.2
_PROGRAMS = {"Prometheus": ("prometheus",), "Alertmanager": ("alertmanager", "prometheus-alertmanager")}
_INSTALL = "install both, on Debian by apt-get install prometheus prometheus-alertmanager, or use docker compose up -d."


@dataclass(frozen=True)
class Ports:
    """Where they listen, and where a run does."""

    prometheus: int = 9090
    alertmanager: int = 9093
    metrics: int = 8000  # of the run

    def check(self) -> None:
        """Refuse what cannot be listened on.

        Raises:
            UsageError: if a port is out of range, given twice or in use.
        """
        given = {"prometheus_port": self.prometheus, "alertmanager_port": self.alertmanager, "metrics_port": self.metrics}
        for name, port in given.items():
            if not 1 <= port <= 65535:
                raise UsageError(f"{name} is {port}; it has to be from 1 to 65535.")
        if len(set(given.values())) < len(given):
            raise UsageError(f"a port is given twice: {', '.join(f'{name} {port}' for name, port in given.items())}.")
        for name in ("prometheus_port", "alertmanager_port"):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((_HOST, given[name]))
                except OSError as error:
                    raise UsageError(f"port {given[name]} cannot be used: {error.strerror}; give --{name} another.") from None


@dataclass(frozen=True)
class Monitoring:
    """What is going on once both are ready.

    Args:
        prometheus: its address.
        alertmanager: its address.
        target: what Prometheus scrapes.
        data_dir: where metrics, alerts and logs are kept.
        alertmanager_config: the file that says where alerts go.
    """

    prometheus: str
    alertmanager: str
    target: str
    data_dir: str
    alertmanager_config: str


@dataclass(frozen=True)
class _Service:
    name: str
    port: int
    folder: Path  # in which it works
    command: Sequence[str]


def monitoring_folder() -> Path:
    """Return the folder with the configuration: inside the installed package, or in the repository that it is run from.

    Raises:
        StorageError: if it is in neither.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "monitoring", package.parents[1] / "monitoring"):
        if (folder / "prometheus.yml").is_file():
            return folder
    raise StorageError(f"the configuration of the monitoring is not in {package}; install kaslite again.")


def monitor(
    data_dir: Path,
    ports: Ports,
    alertmanager_config: Path | None = None,
    ready: Callable[[Monitoring], object] = lambda _: None,
) -> None:
    """Start both and keep them until Ctrl-C, or until one of them ends; neither is left behind. For the main thread.

    Args:
        data_dir: where metrics, alerts and logs are kept; made if need be.
        ports: where they listen, and where a run does.
        alertmanager_config: where alerts go, instead of monitoring/alertmanager.yml.
        ready: told when both answer.

    Raises:
        UsageError: if a port cannot be used, or there is no such configuration.
        StorageError: if the folder cannot be written to.
        StillGoingError: if another monitor has the folder.
        KasliteError: if one of the programs is missing, does not come up, or ends by itself.
    """
    programs = {name: _program(name) for name in _PROGRAMS}
    ports.check()
    alerting = (alertmanager_config or monitoring_folder() / "alertmanager.yml").resolve()
    if not alerting.is_file():
        raise UsageError(f"{alerting} is no file; give --alertmanager_config a configuration of Alertmanager.")
    data_dir = data_dir.resolve()
    services = (
        _alertmanager(programs["Alertmanager"], ports, alerting, data_dir),
        _prometheus(programs["Prometheus"], ports, data_dir),
    )
    with suppress(KeyboardInterrupt), _any_end_is_ctrl_c(), ExitStack() as stack:
        try:
            stack.enter_context(_only_one(data_dir))
            _write_config(data_dir, ports)
        except OSError as error:
            raise StorageError(f"cannot write to {data_dir}: {error.strerror}.") from None
        watches = [stack.enter_context(_running(service, data_dir)) for service in services]
        _watch(watches, lambda: all(_is_ready(service.port) for service in services))
        ready(_told(ports, alerting, data_dir))
        _watch(watches, lambda: False)


def _program(name: str) -> str:
    for program in _PROGRAMS[name]:
        found = shutil.which(program)
        if found is not None:
            return found
    raise KasliteError(f"{name} is not installed ({' or '.join(_PROGRAMS[name])} is not on the PATH): {_INSTALL}")


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Keep other monitors out of the folder: two would write into one database, and rules would fail in silence."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / ".lock").open("w") as file:
        lock(file, f"another kaslite monitor keeps its data in {data_dir}; stop it, or give another --data_dir.")
        yield


def _write_config(data_dir: Path, ports: Ports) -> None:
    """Write what Prometheus reads into the folder: the configuration of the stack, with these ports."""
    changed = {str(Ports.alertmanager): ports.alertmanager, str(Ports.metrics): ports.metrics}
    config = (monitoring_folder() / "prometheus.yml").read_text(encoding="utf-8")
    config = re.sub(rf"{_HOST}:(\d+)", lambda found: f"{_HOST}:{changed.get(found[1], found[1])}", config)
    (data_dir / "prometheus.yml").write_text(config, encoding="utf-8")
    shutil.copyfile(monitoring_folder() / "alerts.yml", data_dir / "alerts.yml")


def _alertmanager(program: str, ports: Ports, config: Path, data_dir: Path) -> _Service:
    flags = (
        f"--config.file={config}",
        f"--storage.path={data_dir / 'alertmanager'}",
        f"--web.listen-address={_HOST}:{ports.alertmanager}",
        f"--web.external-url={_url(ports.alertmanager)}",
        "--cluster.listen-address=",  # one alone: no port for others
    )
    return _Service(
        "Alertmanager", ports.alertmanager, config.parent, (program, *flags)
    )  # files that the config names are beside it


def _prometheus(program: str, ports: Ports, data_dir: Path) -> _Service:
    flags = (
        f"--config.file={data_dir / 'prometheus.yml'}",
        f"--storage.tsdb.path={data_dir / 'prometheus'}",
        f"--web.listen-address={_HOST}:{ports.prometheus}",
        f"--web.external-url={_url(ports.prometheus)}",
    )
    return _Service("Prometheus", ports.prometheus, data_dir, (program, *flags))


def _told(ports: Ports, alerting: Path, data_dir: Path) -> Monitoring:
    return Monitoring(
        prometheus=_url(ports.prometheus),
        alertmanager=_url(ports.alertmanager),
        target=f"{_url(ports.metrics)}/metrics",
        data_dir=str(data_dir),
        alertmanager_config=str(alerting),
    )


def _url(port: int) -> str:
    return f"http://localhost:{port}"


@contextmanager
def _any_end_is_ctrl_c() -> Iterator[None]:
    """Let a polite kill, SIGQUIT, or a terminal that is closed, end it like Ctrl-C does: in order.

    Ctrl-C itself is among them: what a script starts in the background ignores it otherwise. With nohup a closed terminal
    is none: that was asked for.
    """
    ends = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        ends.append(signal.SIGHUP)
    before = [signal.signal(end, signal.default_int_handler) for end in ends]
    try:
        yield
    finally:
        for end, handler in zip(ends, before, strict=True):
            signal.signal(end, handler)


@contextmanager
def _running(service: _Service, data_dir: Path) -> Iterator[Callable[[], None]]:
    """Start a service, yield what raises once it has ended, and stop it."""
    log = data_dir / f"{service.name.lower()}.log"
    with log.open("wb") as out:
        # In a session of its own, Ctrl-C reaches this process alone, which then stops both.
        process = subprocess.Popen(  # noqa: S603  a program that was looked up
            service.command, cwd=service.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield lambda: _check(service.name, process, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C: nobody wants to wait, and nothing is left
            process.kill()
            process.wait()


def _check(name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    code = process.poll()
    if code is not None:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [f"exit code {code}"]
        raise KasliteError(f"{name} has ended by itself: {plain(lines[-1]).rstrip('.')}. Its log is {log}.")


def _watch(watches: Sequence[Callable[[], None]], is_done: Callable[[], bool]) -> None:
    """Look after the services until it is done; raises if one of them has ended."""
    while True:
        for check in watches:
            check()
        if is_done():
            return
        time.sleep(_LOOK_S)


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(_HOST, port, timeout=5)  # past any proxy
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()

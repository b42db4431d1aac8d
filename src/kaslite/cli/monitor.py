"""``kaslite monitor``: Prometheus and Alertmanager without Docker."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kaslite.cli.output import Output

if TYPE_CHECKING:
    from kaslite.dashboard.monitor import Monitoring

DATA = Path("results") / ".monitor"


def monitor(
    *,
    prometheus_port: int = 9090,
    alertmanager_port: int = 9093,
    metrics_port: int = 8000,
    data_dir: Path = DATA,
    alertmanager_config: Path | None = None,
    output: Output = Output(),  # noqa: B008  frozen
) -> None:
    """Watch runs with Prometheus and Alertmanager, installed on this machine, until Ctrl-C.

    They listen on this machine alone. With Docker, `docker compose up -d` starts them with Grafana.

    Parameters
    ----------
    prometheus_port
        Where Prometheus listens.
    alertmanager_port
        Where Alertmanager listens.
    metrics_port
        Where the run serves its metrics.
    data_dir
        Where metrics, alerts and logs are kept, beside the runs that they tell of.
    alertmanager_config
        Where alerts go; by default Slack, as monitoring/alertmanager.yml says.
    """
    from kaslite.dashboard.monitor import Ports
    from kaslite.dashboard.monitor import monitor as keep_running

    ports = Ports(prometheus_port, alertmanager_port, metrics_port)
    keep_running(data_dir, ports, alertmanager_config, partial(_say, output))


def _say(output: Output, monitoring: Monitoring) -> None:
    text = (
        f"Prometheus     {monitoring.prometheus}   (scrapes {monitoring.target})\n"
        f"Alertmanager   {monitoring.alertmanager}   ({monitoring.alertmanager_config})\n"
        f"data and logs  {monitoring.data_dir}\n"
        "Ctrl-C stops both."
    )
    output.say(text, asdict(monitoring))
    sys.stdout.flush()  # who reads it through a pipe waits for it

"""A run as a Prometheus collector: events are kept as they come, and are added up when somebody asks.

So the thread that trains appends to a list, and every hundredth time adds up itself what nobody has asked for. What it adds up
is a frozen record, of which samples are made without it. Not for: the server that answers scrapes; that is
`kaslite.telemetry.metrics_endpoint`.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, final

from kaslite.telemetry.analytics.monitored import Monitored, fold_monitored
from kaslite.telemetry.metrics import METRICS, Histogram, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.metrics_core import Metric as Family

    from kaslite.events import Event

_MOST_KEPT = 100  # events


@final
class PrometheusSink:
    """One run; a sink, and a collector that can be registered with prometheus_client.

    Args:
        on_close: called when nothing is written any more; by default what was last known stays there to be scraped.
    """

    def __init__(self, on_close: Callable[[], object] = lambda: None) -> None:
        self._on_close = on_close
        self._new: deque[Event] = deque()
        self._folding = Lock()
        self._seen = Monitored()

    @property
    def seen(self) -> Monitored:
        """What is known of the run now."""
        with self._folding:
            while self._new:
                self._seen = fold_monitored(self._seen, self._new.popleft())
            return self._seen

    def recall(self, history: Sequence[Event]) -> None:
        """Take in the past, so that counters go on."""
        for event in history:
            self.write(event)

    def write(self, event: Event) -> None:
        """Take one event, and return at once."""
        self._new.append(event)
        if len(self._new) >= _MOST_KEPT:
            _ = self.seen

    def flush(self) -> None:
        """Need nothing: what is written is there."""

    def close(self) -> None:
        """Say that nothing will change any more."""
        self._on_close()

    def collect(self) -> Iterator[Family]:
        """Yield every metric with the samples that there are."""
        return families([self.seen])


@final
class ExportedRuns:
    """Several runs, each for as long as it goes; a collector."""

    def __init__(self) -> None:
        self._going: dict[str, PrometheusSink] = {}

    def begin(self, name: str) -> PrometheusSink:
        """Return a sink for one more run, which is forgotten when that is closed.

        Args:
            name: by which it is told from the others.
        """
        sink = PrometheusSink(on_close=lambda: self._forget(name))
        self._going = {**self._going, name: sink}  # a scrape may be walking through the old one
        return sink

    def collect(self) -> Iterator[Family]:
        """Yield every metric with the samples of all runs that go."""
        return families([sink.seen for sink in self._going.values()])

    def _forget(self, name: str) -> None:
        self._going = {other: sink for other, sink in self._going.items() if other != name}


def families(runs: Iterable[Monitored]) -> Iterator[Family]:
    """Yield every metric with the samples of several runs; one that has not begun has none."""
    begun = [seen for seen in runs if seen.totals.run_name]
    for metric in METRICS:
        yield _histogram(metric, begun) if isinstance(metric, Histogram) else _numbers(metric, begun)


def _numbers(metric: Metric, runs: Iterable[Monitored]) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=["experiment_id", *metric.labels])
    for seen in runs:
        for labels, number in metric.samples(seen):
            family.add_metric(_encodable(seen.totals.run_name, *labels), number)
    return family


def _histogram(metric: Histogram, runs: Iterable[Monitored]) -> Family:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(metric.name, metric.help, labels=["experiment_id", *metric.labels])
    for seen in runs:
        for labels, buckets, total in metric.samples(seen):
            family.add_metric(_encodable(seen.totals.run_name, *labels), buckets, total)
    return family


def _encodable(*labels: str) -> list[str]:
    """Return texts of a log as UTF-8 can hold them: one that it cannot would make every scrape fail."""
    return [label.encode(errors="replace").decode() for label in labels]

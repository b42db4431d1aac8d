"""Telemetry (code name: Nissa): sinks that read events, and combinators that are sinks around sinks."""

from kaslite.telemetry.sink import FanOut, Numbered, Sink, recall
from kaslite.telemetry.sinks.jsonl import JsonlLog, read_log

__all__ = ["FanOut", "JsonlLog", "Numbered", "Sink", "read_log", "recall"]

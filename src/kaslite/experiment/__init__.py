"""Experiments: the only place that wires things together: config -> task, host, controller, sinks -> run."""

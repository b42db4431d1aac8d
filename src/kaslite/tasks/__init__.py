"""Tasks: data sets in three splits, and hosts to learn them. Importing this package does not import torch."""

from kaslite.tasks.catalogue import HOST_PATTERN, PROBLEMS, Problem

__all__ = ["HOST_PATTERN", "PROBLEMS", "Problem"]

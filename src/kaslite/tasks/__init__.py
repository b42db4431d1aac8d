"""Tasks: data sets in three splits, and hosts to learn them. Importing this package does not import torch."""

from kaslite.tasks.catalogue import HOST_PATTERN, HOSTS, PROBLEMS, Host, Problem, check_fit, fitting_hosts

__all__ = ["HOSTS", "HOST_PATTERN", "PROBLEMS", "Host", "Problem", "check_fit", "fitting_hosts"]

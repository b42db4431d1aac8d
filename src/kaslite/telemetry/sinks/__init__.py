"""One sink a file; none knows another."""

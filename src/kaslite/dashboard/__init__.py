"""Views of runs, all of them folds over events: what a view shows can be rebuilt from the log alone. Free of torch."""

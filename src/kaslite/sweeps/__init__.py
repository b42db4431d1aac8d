"""Many runs of one plan: a grid of settings, or a search through ranges of them. `docs/sweeps.md` tells it for users."""

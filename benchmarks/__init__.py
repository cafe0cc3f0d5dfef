"""Ours beside the raw drivers, in one run, as ratios. `make bench`, or `make bench ARGS="sqlite"` for a part of it."""

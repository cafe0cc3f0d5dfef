"""Ours beside the raw drivers, and beside bolt, in one run, as ratios: `make bench`.

`make bench ARGS="quick sqlite append"` measures a part of it, more roughly.

What is measured, and the bar of each line, stands in `lines/`. The raw side is not written by hand: `statements` notes
what ours runs and lets the raw driver run the same with new values, so the comparison follows ours by itself.

measure, statements, sizes → raw, fill, slack → databases → lines → report; `bolt` is a program of its own
"""

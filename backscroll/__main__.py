"""`python -m backscroll`, the same as `backscroll`."""

from backscroll.cli.main import program

program()

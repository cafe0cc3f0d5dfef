"""`python -m backscroll.bot`, the same as `backscroll`."""

from backscroll.cli.main import program

program()

"""`python -m backscroll.bot`, the same as `backscroll`."""

from backscroll.bot.cli import main

main()

"""`python -m stream` is `waitline`."""

from stream.cli import main

main()

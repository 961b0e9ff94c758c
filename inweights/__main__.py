"""`python -m inweights` is `inweights`."""

from inweights.cli import main

main()

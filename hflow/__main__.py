"""`python -m hflow` is the command `hflow`."""

from hflow.cli import main

main()

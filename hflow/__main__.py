"""`python -m hflow` is the command `hflow`."""

from hflow.commands.cli import main

main()

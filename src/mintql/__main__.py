"""`python -m mintql`: the same as the command `mintql`."""

from mintql.cli import main

main()

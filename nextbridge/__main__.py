"""`python -m nextbridge` is the `nextbridge` command."""

from nextbridge.cli import main

main()

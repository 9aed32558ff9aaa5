"""`python -m howsure`, the same as the command `howsure`."""

from howsure.cli.app import main

main()

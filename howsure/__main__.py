"""`python -m howsure`, the same as the command `howsure`."""

from howsure.cli import main

main()

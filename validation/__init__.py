"""Slow checks of what howsure claims, run by `make validate`; each writes a page into docs/."""

"""Runs the recipes of docs/deploy.md: `make recipes`."""

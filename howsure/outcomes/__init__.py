"""What the answer of a row is, and what is averaged over passes for it."""

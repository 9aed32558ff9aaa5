"""One class per row: the outcome `Classes`, and its result, a `Certainty`."""

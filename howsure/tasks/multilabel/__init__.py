"""Several labels per row, each yes or no: the outcome `Labels`, and its result, a `MultilabelCertainty`."""

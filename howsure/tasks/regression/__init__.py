"""A number for each row, or K of them: regression."""

"""Methods other than MC dropout: what else produces passes."""

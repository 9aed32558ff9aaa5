"""Sampling for MC dropout: masks, their groups, and the passes of each row. numpy only."""

"""Results from what others have computed: probabilities, or the passes they are means of."""

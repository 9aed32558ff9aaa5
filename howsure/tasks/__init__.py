"""The kinds of answers: a folder for each, and what they share; `registry` says how one is found."""

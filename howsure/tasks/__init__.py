"""The kinds of answers: a folder for each, and what they share; `task` says what each can do."""

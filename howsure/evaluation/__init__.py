"""From percentages to decisions: are they true, what to do with them. All of it takes a `Certainty`."""

"""What an assessment says: the result, its verdicts and its sentences. Nothing here touches a model."""

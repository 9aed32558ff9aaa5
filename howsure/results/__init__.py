"""The result of an assessment, its verdicts and its sentences. Nothing here touches a model."""

"""Are the percentages of several labels per row true? Scores label by label, and on average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from howsure.displayed import Displayed
from howsure.errors import InputError
from howsure.evaluation.paired import Comparable, Paired, check_enough
from howsure.evaluation.score import Score, in_columns
from howsure.sampling.outcome import Integers
from howsure.tasks.classification.evaluate import Evaluation, all_scores, ends_of, evaluate_in_words
from howsure.tasks.classification.printed import checked
from howsure.tasks.multilabel.printed import answers_of
from howsure.tasks.multilabel.result import NO_AND_YES, MultilabelCertainty
from howsure.tasks.truth import truth_of
from howsure.words import counted


@dataclass(frozen=True)
class MultilabelEvaluation(Comparable, Displayed):
    """How good the answers of a `MultilabelCertainty` are, label by label and on average.

    Each label is scored as rows of the two classes `no` and `yes`. So `brier` is the sum of (p − y)² over yes
    and no, twice that of yes alone.

    Attributes:
        rows: How many.
        of_label: The `Evaluation` of each label, by name.
        mean: Mean of every score over the labels for which it is defined, by name. Its interval is over rows,
            each with all of its labels, so labels that are wrong together make it wider.
    """

    rows: int
    of_label: Mapping[str, Evaluation]
    mean: Mapping[str, Score]
    _found: Paired = field(repr=False)
    _said: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        names = ["mean over labels", *self.of_label]
        columns = [["", *names]]
        for score in ("accuracy", "nll", "brier", "ece"):
            of_labels = [str(getattr(evaluation, score)) for evaluation in self.of_label.values()]
            columns.append([score, str(self.mean[score]), *of_labels])
        always = [
            f"{evaluation.constant_accuracy} '{evaluation.most_frequent}'"
            for evaluation in self.of_label.values()
        ]
        columns.append(["always the same", "", *always])
        recalls = [str(evaluation.recall[NO_AND_YES[1]]) for evaluation in self.of_label.values()]
        columns.append([f"recall of '{NO_AND_YES[1]}'", "", *recalls])
        lines = in_columns([*zip(*columns, strict=True)])
        rows, labels = counted(self.rows, "row"), counted(len(self.of_label), "label")
        return "\n".join([*self._heading, f"{rows}{self._in_groups}, {labels}", *lines])


def evaluate(
    certainty: MultilabelCertainty,
    labels: Any,
    *,
    outside: Any,
    seed: int,
    background: int | None = None,
    groups: Integers | None = None,
) -> MultilabelEvaluation:
    """The part `evaluate` of several labels per row: each as rows of no and yes, and the means over labels.

    There is no `background`. See `howsure.evaluation.evaluate.evaluate`.
    """
    if outside is not None:
        raise InputError(
            "Rows from outside are for one class per row: where any number of labels may hold, a row of "
            "none is not from outside",
            expected="outside=None",
            hint="`howsure.evaluate(certainty.of_label(k), labels[:, k], outside=…)` asks it of one label",
        )
    truth = truth_of(certainty, labels)
    check_enough(truth)
    true = truth.astype(np.int64)
    of_label = {
        name: evaluate_in_words(certainty.of_label(k), true[:, k], seed, groups)
        for k, name in enumerate(certainty.label_names)
    }
    mistaken = int(np.sum(np.any(certainty.yes != truth, axis=1)))
    means = {}
    for name in next(iter(of_label.values()))._found.measured:
        scores = [score.measured(name) for score in of_label.values()]
        defined = [score for score in scores if np.isfinite(score.value)] or scores
        decided = mistaken if defined[0].mistakes < len(truth) else len(truth)
        mean_of_labels = type(defined[0]).mean(defined, min(decided, len(defined[0].parts)))
        means[name] = replace(mean_of_labels, sizes=defined[0].sizes)
    mean = replace(Paired.of(means, certainty, true), groups=groups)
    answers = answers_of(certainty._changed({"truth": truth}))
    return MultilabelEvaluation(
        rows=len(truth),
        of_label=of_label,
        mean=mean.scores,
        _found=mean,
        _said=checked(answers, mean.scores["accuracy"]),
    )


def score_lines(result: MultilabelCertainty, evaluation: MultilabelEvaluation) -> list[list[Any]]:
    """The part `score_lines` of several labels: each score of the mean over labels, then of each label."""
    of_each = {"": evaluation.mean} | {
        name: all_scores(evaluation) for name, evaluation in evaluation.of_label.items()
    }
    cells = [[name, score, *ends_of(value)] for name, of in of_each.items() for score, value in of.items()]
    return [["label", "score", "value", "low", "high"], *cells]

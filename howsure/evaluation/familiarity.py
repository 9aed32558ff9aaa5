"""Is this row like anything the model has learned? Scores of its features, with a promised false-alarm rate.

A softmax names a class for every row, noise included. The input of the last layer tells more: rows like those
the model was trained on lie where these lie. A fit learns where, and how familiar other rows usually are.
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from scipy.special import betaincinv

from howsure.adapters.features import Features
from howsure.adapters.fingerprint import check_fingerprint
from howsure.arguments import as_share, check_choice
from howsure.errors import InputError, warn
from howsure.evaluation.familiarity_scores import FITS, FITTED, OF_LOGITS, SCORES, FittedScore
from howsure.evaluation.fitted_rows import FittedRows, digests_of
from howsure.inputs.align import aligned
from howsure.inputs.labels import check_class_names, check_labels
from howsure.inputs.rows import as_array, quoted
from howsure.inputs.typed_json import COUNT, read_sealed, typed, write_sealed
from howsure.onnx import Value
from howsure.sampling.outcome import Booleans, Floats, Integers

KIND, FORMAT = "howsure familiarity", 1
"""The kind that a file names, and the version of its format."""


@dataclass(frozen=True, eq=False)
class Familiarity:
    """How familiar rows are; called with `Features` of N rows, it gives (N,) scores, higher is more familiar.

    Attributes:
        score: `density`, `mahalanobis`, `neighbours`, `energy` or `max_logit`.
        share: Promise: at most this share of rows like the held-out ones is called unfamiliar, on average.
        threshold: Least score of a row that is familiar.
        train_rows: Training rows it was fitted on.
        held_out: (M,) scores of the held-out rows, in order, the least familiar first.
        width: F, the number of features.
        outputs: K, the number of logits.
        fingerprint: Fingerprint of the model, as in `howsure.adapters.fingerprint`. Features of another
            model, or of this one trained further, are refused. Empty if it is not known: as for features
            that you made yourself, or that an older version pickled.
        learnt_rows: The training rows, as it knows them again; None if they were not kept.
    """

    score: str
    share: float
    threshold: float
    train_rows: int
    held_out: Floats = field(repr=False)
    width: int
    outputs: int
    _fitted: FittedScore = field(repr=False)
    fingerprint: str = field(default="", repr=False)
    learnt_rows: FittedRows | None = field(default=None, repr=False)

    def __call__(self, features: Features) -> Floats:
        """(N,) scores: nats, a logit, or minus a distance, squared for `mahalanobis`; none for no rows.

        Raises:
            InputError: No `Features`, or of another model than those of the fit, or of the same model after
                it was trained further.
        """
        _check_like(features, self.width, self.outputs, self.fingerprint)
        return np.asarray(self._fitted(features))

    def unfamiliar(self, features: Features) -> Booleans:
        """(N,) whether a row is less familiar than all but a few held-out ones: `percentile` ≤ `share`.

        Raises:
            InputError: As when called.
        """
        return np.asarray(self(features) < self.threshold)

    def percentile(self, features: Features) -> Floats:
        """(N,) share of held-out rows that are no more familiar, the row itself among them, in (0, 1].

        A conformal p-value, (1 + #{held-out scores ≤ score}) / (M + 1) (Vovk and others 2005): for a row like
        the held-out ones it is at most α with a probability of at most α, for every α.

        Raises:
            InputError: As when called.
        """
        return np.asarray(percentiles(self.held_out, self(features)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a JSON file; an earlier file stays until the new one is complete.

        The file holds the fit, with `neighbours` the features of all training rows.

        Raises:
            FileError: The file cannot be written.

        Example:
            >>> known.save("familiarity.json")
            >>> howsure.Familiarity.load("familiarity.json").in_words() == known.in_words()
            True
        """
        content = {**vars(self), "kind": KIND, "format": FORMAT}
        content["learnt_rows"] = self.learnt_rows and self.learnt_rows.as_json
        content["held_out"] = _text_of(self.held_out)
        fitted = {} if self.score in OF_LOGITS else vars(self._fitted)
        content["_fitted"] = {name: _text_of(value) for name, value in fitted.items()}
        write_sealed(path, content)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Familiarity:
        """Read a file of `save`.

        Raises:
            FileError: Missing, damaged, changed, or no saved familiarity.
        """
        familiarity: Familiarity = read_sealed(
            path,
            "familiarity",
            FORMAT,
            _read,
            written_by="`Familiarity.save`",
            again="Fit it again",
            kind=KIND,
        )
        return familiarity

    def in_words(self) -> str:
        """The fit, the number of its rows, and the promise."""
        rows = len(self.held_out)
        rank = _rank(rows, self.share)
        low, high = 100 * betaincinv(rank, rows + 1 - rank, [0.025, 0.975])
        return (
            f"Familiarity by '{self.score}', learnt from {self.train_rows:,} training rows. At most "
            f"{100 * self.share:g} % of rows like the {rows:,} held-out ones are called unfamiliar on "
            f"average; with these held-out rows it may be {low:.2g} to {high:.2g} %." + self._fitted.note
        )

    def __str__(self) -> str:
        return self.in_words()


def _text_of(value: Any) -> Any:
    """An array as JSON can hold it; other values as they are."""
    if not isinstance(value, np.ndarray):
        return value
    content = base64.b64encode(value.tobytes()).decode()
    return {"dtype": value.dtype.str, "shape": value.shape, "base64": content}


def _of_text(value: Any) -> Any:
    """The inverse of `_text_of`; a ValueError for numbers that are not finite."""
    if not isinstance(value, dict):
        return value
    check_choice(value["dtype"], ("<f4", "<f8"), "dtype")
    array = np.frombuffer(base64.b64decode(value["base64"]), value["dtype"]).reshape(value["shape"])
    if not np.isfinite(array).all():
        raise ValueError("not all of its numbers are finite")
    return array


def _read(content: dict[str, Any]) -> Familiarity:
    """A familiarity from the content of its file, tried on a row."""
    score = content["score"]
    check_choice(score, SCORES, "score")
    share: float = typed(Annotated[float, Meta(gt=0, le=1)], content["share"], "share")
    count = Annotated[int, COUNT]
    rows, width, outputs = (typed(count, content[name], name) for name in ("train_rows", "width", "outputs"))
    one = Features(np.zeros((1, width), np.float32), np.zeros((1, outputs), np.float32))
    kept = {name: _of_text(value) for name, value in content["_fitted"].items()}
    fitted = FITTED[score](**kept) if score in FITTED else FITS[score](one, np.zeros(1, np.int64), 1)
    scores, tried = np.sort(_of_text(content["held_out"])), fitted(one)
    _check_enough(len(scores), share)
    if scores.ndim != 1 or tried.shape != (1,) or not np.isfinite(tried).all():
        raise ValueError("its arrays do not fit each other")
    learnt, threshold = content["learnt_rows"], float(scores[_rank(len(scores), share) - 1])
    typed(str, fitted.note, "note")
    return Familiarity(
        *(score, share, threshold, rows, scores, width, outputs, fitted),
        typed(str, content["fingerprint"], "fingerprint"),
        None if learnt is None else FittedRows.read(learnt),
    )


def percentile_in_graph(familiarity: Familiarity, both: Value) -> Value:
    """(n,) `percentile` in an ONNX graph, of features and logits (n, F + K); NaN where these are."""
    traced: Any = SimpleNamespace(features=both[:, : familiarity.width], logits=both[:, familiarity.width :])
    share = percentiles(familiarity.held_out, familiarity._fitted(traced)).astype(np.float32)
    return np.where(np.isnan(np.sum(both, axis=1)), np.nan, share)


def percentiles(held_out: Floats, scores: Value) -> Value:
    """(N,) percentiles of scores among those of held-out rows, the least first; see `Familiarity`."""
    return (1 + np.searchsorted(held_out, scores, side="right")) / (len(held_out) + 1)


def familiarity(
    train: Features,
    labels: Any,
    held_out: Features,
    *,
    score: str = "density",
    share: float = 0.01,
    class_names: Sequence[str] | None = None,
) -> Familiarity:
    """Learn which rows are familiar to a model.

    With features z, logits l, and means μ_k, covariances Σ_k and shares π_k of the training rows of class k:

    - `density`: log Σ_k π_k N(z; μ_k, Σ_k) (DDU, Mukhoti and others 2023). Keeps K · F² numbers.
    - `mahalanobis`: −min_k (z − μ_k)ᵀ Σ⁻¹ (z − μ_k), Σ being shared by all classes (Lee and others 2018).
    - `neighbours`: minus the distance to the k-th nearest training row, all features having length 1 (those
      that are all 0 stay so); k = 50, less with few rows (Sun and others 2022). Keeps all training rows.
    - `energy`: log Σ_k exp l_k (Liu and others 2020). Training rows are checked and not used.
    - `max_logit`: max_k l_k (Hendrycks and others 2022). Here too, training rows are only checked.

    If a covariance has no Cholesky factor with all pivots above the rounding of the features, the same
    variance, the jitter, is added to every feature: the smallest of 10⁻¹², 10⁻¹¹, … 1 of the mean variance
    that will do. So features may be constant, and more than there are rows.

    The threshold is the ⌊share · (M + 1)⌋-th smallest score of M held-out rows; a row below it is unfamiliar.
    Among rows that are exchangeable with the held-out ones, a share of at most `share` is unfamiliar, on
    average over draws of the held-out ones (split conformal, Vovk and others 2005).

    Args:
        train: Features of rows that the model was trained on; a few thousand do.
        labels: (N,) their true classes, in [0, K), or 0 and 1 for one sigmoid; or as names, or one-hot. Two
            rows or more of each class for `density` and `mahalanobis`. None for a model that puts out
            numbers: all rows count as one class, and `energy` and `max_logit` are refused.
        held_out: Features of M rows like those to come that the model was not trained on; M ≥ 1 / share − 1,
            which is 99 for 0.01.
        score: The score; `density` needs the most rows.
        share: In (0, 1).
        class_names: K names in the order of the outputs, if labels are names.

    Raises:
        InputError: Arguments that cannot be used, too few rows, or features that do not vary.

    Example:
        >>> train, held_out = howsure.features_of(model, x_train), howsure.features_of(model, x_held_out)
        >>> known = familiarity(train, labels_train, held_out, score="mahalanobis")
        >>> for name, rows in {"digits": x_new, "letters": letters}.items():
        ...     print(f"{known.unfamiliar(howsure.features_of(model, rows)).mean():.0%} of the {name}")
        2% of the digits
        39% of the letters
    """
    check_choice(score, tuple(SCORES), "score")
    share = as_share(share, "share")
    _check_like(train)
    width, outputs = train.features.shape[1], train.logits.shape[1]
    _check_like(held_out, width, outputs, train.fingerprint)
    if not len(train):
        raise InputError("There are no training rows", expected="at least 1")
    labels = aligned(labels, train.called, of="x.index")
    truth, classes = _classes_of(labels, len(train), max(2, outputs), score, class_names)
    _check_enough(len(held_out), share)
    _warn_of_training_rows(train, held_out)
    fitted = FITS[score](train, truth, classes)
    scores = np.sort(fitted(held_out))
    scores.flags.writeable = False
    threshold = float(scores[_rank(len(scores), share) - 1])
    fingerprint = train.fingerprint or held_out.fingerprint
    learnt = FittedRows.of_digests(digests_of(train.logits))
    return Familiarity(
        score, share, threshold, len(train), scores, width, outputs, fitted, fingerprint, learnt
    )


def _classes_of(
    labels: Any, rows: int, classes: int, score: str, class_names: Sequence[str] | None
) -> tuple[Integers, int]:
    """(N,) true classes and how many classes there are: one where there are no labels."""
    if labels is None:
        if score in OF_LOGITS:
            raise InputError(
                f"'{score}' is a score of the logits of classes, and without labels there are none",
                expected=f"{quoted([score for score in SCORES if score not in OF_LOGITS])}, or labels",
            )
        return np.zeros(rows, dtype=np.int64), 1
    values = as_array(labels, "The labels")
    if values.dtype.kind == "f" and np.isfinite(values).all() and not np.array_equal(values, np.rint(values)):
        raise InputError(
            "The labels are no classes but numbers",
            expected="true classes, or labels=None for a model that puts out numbers",
            received=f"for example {values.ravel()[:3].tolist()}",
        )
    return check_labels(labels, rows, classes, check_class_names(class_names, classes)), classes


def _rank(rows: int, share: float) -> int:
    """⌊(M + 1) · share⌋; the rounding keeps 100 · 0.01 at 1."""
    return math.floor(round((rows + 1) * share, 9))


def _check_enough(rows: int, share: float) -> None:
    least = math.ceil(round(1 / share - 1, 9))
    if rows < least:
        raise InputError(
            f"Too few held-out rows to call at most {100 * share:g} % of such rows unfamiliar",
            expected=f"at least {least:,}",
            received=f"{rows:,}",
            hint="Take more rows that the model was not trained on, or a larger share",
        )


def _check_like(
    features: Features, width: int | None = None, outputs: int | None = None, fingerprint: str = ""
) -> None:
    """`Features`, with these numbers of features and logits where they are given, or an `InputError`.

    Args:
        features: The argument of the caller.
        width: How many features the training rows have, or None.
        outputs: How many logits.
        fingerprint: Fingerprint of their model.
    """
    if not isinstance(features, Features):
        raise InputError(
            "These are not features of rows",
            expected="`Features`, as `howsure.evaluation.familiarity.features_of` gives them",
            received=type(features).__name__,
        )
    sizes = features.features.shape[1], features.logits.shape[1]
    if width is not None and sizes != (width, outputs):
        raise InputError(
            "These rows have other features or logits than the training rows had",
            expected=f"{width} features and {outputs} logits",
            received=f"{sizes[0]} and {sizes[1]}",
            hint="Take all of them from the same model",
        )
    hint = "Fit it again: howsure.familiarity(train, labels, held_out), with features of this model"
    check_fingerprint("The training rows are features of", fingerprint, features.fingerprint, hint)


def _warn_of_training_rows(train: Features, held_out: Features) -> None:
    """Warn if most held-out rows are training rows, as far as equal features show."""
    train_rows = {row.tobytes() for row in train.features}
    count = sum(row.tobytes() in train_rows for row in held_out.features)
    if 2 * count > len(held_out):
        warn(
            f"{count:,} of {len(held_out):,} held-out rows have the features of a training row: if the "
            "model was trained on them, too many rows to come will be called unfamiliar"
        )

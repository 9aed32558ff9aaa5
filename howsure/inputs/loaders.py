"""Gather rows from common sources into arrays that an adapter takes, with their labels and ids.

    array, tensor, list, dict       unchanged; a dict without its labels and ids
    list of dicts, or of pairs      rows with their labels, or batches of them
    data frame, series              `howsure.inputs.frames`
    DataLoader, tf.data.Dataset,    batch after batch, joined in memory
    PyDataset, generator, iterator
    dataset of PyTorch              row after row

The kind of a source is recognised by its base classes and methods; no framework is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from howsure.errors import InputError, warn
from howsure.inputs.align import RowNames, aligned, check_ids, together
from howsure.inputs.batches import Batches, named_or_array, split_mapping
from howsure.inputs.frames import as_array, is_frame, read_frame, with_index
from howsure.inputs.rows import InputSpec, Rows, fits
from howsure.inputs.sizes import RowsOfSizes, differ, listed_rows

Progress = Callable[[int, int], None]

_ENDLESS = ("count", "cycle", "repeat")


def gather(
    x: Any,
    inputs: Callable[[], Sequence[InputSpec] | None],
    progress: Progress | None = None,
    most: int | None = None,
    names: Callable[[], Sequence[str]] = tuple,
) -> Rows:
    """Rows in the form that an adapter takes, and the labels and ids that came with them.

    Args:
        x: Any source of rows; `Rows` are returned unchanged. An array stays as it is, also on disk.
        inputs: Returns the model's inputs, or None if it does not declare them; called only when needed.
        progress: Called with (0, rows so far) while batches are gathered.
        most: Number of batches to read, if the first rows are enough; None for all.
        names: Returns the names of the model's inputs, if it declares only those; called only when needed.

    Raises:
        InputError: No rows, an endless source, batches that differ or are ambiguous, or unsuitable columns.
    """
    if isinstance(x, Rows):
        return x
    if is_frame(x):
        return read_frame(x, inputs())
    if isinstance(x, Mapping):
        return _of_mapping(x, inputs(), names())
    if isinstance(x, np.ndarray) and x.dtype.kind == "O" and x.ndim == 1 and is_several([*x]):
        x = [*x]  # as numpy holds rows of several sizes
    of_dicts = _is_list_of_dicts(x)
    if isinstance(x, (list, tuple)) and not of_dicts and not _is_list_of_pairs(x):
        framed = is_several(x) and any(map(is_frame, x))
        if not framed:
            of_sizes = differ([x]) and _are_rows(x, inputs, names)
            return Rows(listed_rows({0: x}, lambda arrays: arrays[0]) if of_sizes else x)
        parts, called = together(dict(enumerate(x)), "x")
        arrays = [as_array(part, None) if is_frame(part) else part for part in parts.values()]
        return with_index(Rows(arrays), called)
    of_rows = is_of(x, "torch") and hasattr(x, "__getitem__") and not hasattr(x, "detach")
    batches = x if of_dicts or isinstance(x, (list, tuple)) else _rows_of(x) if of_rows else _batches(x)
    if batches is None:
        return Rows(x)
    gathered = Batches(inputs(), names(), rows=of_dicts, single=of_rows)
    for batch in islice(batches, most):
        gathered.add(batch)
        if progress is not None:
            progress(0, gathered.rows)
    return _with_classes(gathered.together(), x)


def first(x: Any, count: int) -> Any:
    """The first rows of an adapter's input; anything without rows is left for the adapter to refuse."""
    try:
        return of_each(x, lambda part: part[:count])
    except (TypeError, IndexError, KeyError):
        return x


def in_order(x: Any, places: Any) -> Any:
    """The rows of an adapter's input in another order; None for the order that they have."""
    return x if places is None else of_each(x, lambda part: _rows_at(part, places))


def _rows_at(part: Any, places: Any) -> Any:
    """The rows of one input at some places, in their form."""
    if isinstance(part, list):
        return [part[place] for place in places]
    if is_of(part, "pyarrow"):
        return part.take(places)
    return part.iloc[places] if hasattr(part, "iloc") else part[places]


def of_each(x: Any, function: Callable[[Any], Any]) -> Any:
    """The values made from the rows of each input, in the form in which the rows are."""
    if isinstance(x, Mapping):
        return {name: function(part) for name, part in x.items()}
    if isinstance(x, RowsOfSizes):
        return x.changed(lambda part: of_each(part, function))
    return [function(part) for part in x] if is_several(x) else function(x)


def length(x: Any, called: str = "The rows") -> int:
    """Number of rows in an adapter's input.

    Raises:
        InputError: These are no rows.
    """
    try:
        if isinstance(x, Mapping):
            rows = next(iter(x.values()))
            return len(rows) if isinstance(rows, (list, tuple)) else length(rows, called)
        return len(x[0]) if is_several(x) else int(x.shape[0]) if hasattr(x, "shape") else len(x)
    except (TypeError, IndexError, StopIteration) as error:
        raise InputError(
            f"{called} are no rows", expected="an array (N, …), as for `assess`", received=type(x).__name__
        ) from error


def is_several(x: Any) -> bool:
    """True for a list of arrays, one for each input."""
    return isinstance(x, (list, tuple)) and bool(x) and all(hasattr(part, "shape") for part in x)


def _are_rows(x: Sequence[Any], inputs: Any, names: Any) -> bool:
    """Whether a list holds rows of one input that may differ in size, and not one array for each input."""
    specs = inputs()
    if specs is not None:
        return len(specs) == 1 and all(fits(np.shape(row), specs[0].shape) for row in x[:1])
    lengths = {len(part) for part in x} if is_several(x) else set()
    several = len(names())
    return not is_several(x) or len(x) > max(1, several) or (len(lengths) > 1 and len(x) != several)


def is_of(x: object, *packages: str) -> bool:
    """True if one of these packages defines a base class of x; imports nothing."""
    return any(cls.__module__.split(".")[0] in packages for cls in type(x).__mro__)


# --- dicts ----------------------------------------------------------------------------------------


def _is_list_of_dicts(x: Any) -> bool:
    """True for a list of dicts, the form of rows from Hugging Face's tokenizers and datasets."""
    if is_of(x, "datasets") and hasattr(x, "column_names"):
        return True
    return isinstance(x, (list, tuple)) and bool(x) and all(isinstance(row, Mapping) for row in x)


def _is_list_of_pairs(x: Sequence[Any]) -> bool:
    """True for a list of rows with labels, or of batches of them: arrays with labels of another shape."""
    return bool(x) and all(
        isinstance(item, (list, tuple))
        and len(item) in (2, 3)
        and len(getattr(item[0], "shape", ())) > 0
        and (not hasattr(item[1], "shape") or tuple(item[1].shape) != tuple(item[0].shape))
        for item in x
    )


def _of_mapping(x: Mapping[Any, Any], inputs: Sequence[InputSpec] | None, names: Sequence[str]) -> Rows:
    """The arrays by input name, with the labels and ids among them."""
    spec_of = {spec.name: spec for spec in inputs or ()}
    rest, labels, ids, id_name = split_mapping(x, inputs, names)
    rest, index = together(rest, "x")
    named = {name: part for name, part in x.items() if name in rest and hasattr(part, "index")}
    of = f"x[{next(iter(named), id_name)!r}]" + (".index" if named else "")
    if ids is not None:
        ids = aligned(ids, index, "The ids", f"x[{id_name!r}]", of)
        ids = check_ids(ids, length(rest))
    labels = aligned(named_or_array(labels), RowNames(ids, id_name, index.frame_index), of=of)
    arrays = {
        name: as_array(value, spec_of.get(name)) if is_frame(value) else value for name, value in rest.items()
    }
    of_sizes = listed_rows(arrays, dict)
    rows = Rows(arrays if of_sizes is None else of_sizes, labels, ids=ids, id_name=id_name)
    return with_index(rows, index)


# --- batches --------------------------------------------------------------------------------------


def _batches(x: Any) -> Any:
    """An iterable of batches, or None if this is no source of batches."""
    if hasattr(x, "__array__") or hasattr(x, "shape"):
        return None
    if is_of(x, "torch") and hasattr(x, "batch_sampler") and hasattr(x, "dataset"):
        _look_at_loader(x)
        return x
    if hasattr(x, "element_spec") and hasattr(x, "as_numpy_iterator"):
        return _of_tensorflow(x)
    if hasattr(type(x), "num_batches") and hasattr(x, "__getitem__"):
        return _of_keras(x)
    if is_of(x, "itertools") and type(x).__name__ in _ENDLESS:
        raise _endless(type(x).__name__)
    is_source = hasattr(x, "__iter__") and not hasattr(x, "__getitem__")
    return x if is_source and not isinstance(x, Set) else None


def _rows_of(dataset: Any) -> Iterator[Any]:
    """The rows of a dataset of PyTorch; an error if it does not say how many there are."""
    if not hasattr(dataset, "__len__"):
        raise InputError(
            "This dataset does not say how many rows it has",
            expected="a dataset with a length, or a DataLoader",
            received=type(dataset).__qualname__,
            hint="Give `torch.utils.data.DataLoader(dataset, batch_size=256, sampler=row_numbers)`",
        )
    return (dataset[number] for number in range(len(dataset)))


def _with_classes(rows: Rows, source: Any) -> Rows:
    """Add class names to the rows if the dataset, or that of the loader, has them, as in torchvision."""
    names = _classes_of(source)
    kind = getattr(getattr(rows.labels, "dtype", None), "kind", None)
    if names is None or kind not in ("i", "u") or rows.labels.ndim != 1:
        return rows
    if rows.labels.size and not 0 <= rows.labels.min() <= rows.labels.max() < len(names):
        return rows
    return replace(rows, class_names=names, by_number=True)


def _classes_of(dataset: Any) -> tuple[str, ...] | None:
    """Class names of a dataset, in order; for a subset, those of the whole dataset."""
    while dataset is not None:
        names = getattr(dataset, "classes", None)
        features = getattr(dataset, "features", None)  # as Hugging Face has it
        if names is None and isinstance(features, Mapping):
            label = next((features[key] for key in ("labels", "label") if key in features), None)
            names = getattr(label, "names", None)
        if isinstance(names, (list, tuple)) and names:
            texts = tuple(", ".join(name) if isinstance(name, tuple) else name for name in names)
            distinct = all(isinstance(text, str) for text in texts) and len(set(texts)) == len(texts)
            return texts if distinct and len(texts) > 1 else None
        dataset = getattr(dataset, "dataset", None)
    return None


def _of_tensorflow(dataset: Any) -> Any:
    """The elements of a `tf.data.Dataset`; an error if it is endless."""
    if int(dataset.cardinality()) == -1:
        raise _endless("a tf.data.Dataset that repeats")
    if _is_shuffled(dataset):
        _warn_of_order("tf.data.Dataset shuffles")
    return dataset.as_numpy_iterator()


def _of_keras(dataset: Any) -> Iterator[Any]:
    """The batches of a `PyDataset`; an error if it is endless."""
    if dataset.num_batches is None:
        raise _endless("a PyDataset without a number of batches")
    return (dataset[number] for number in range(dataset.num_batches))


def _endless(received: str) -> InputError:
    return InputError(
        "There is no end to these rows",
        expected="a source that ends",
        received=received,
        hint="Take what is wanted of it: `itertools.islice(x, batches)`, or `dataset.take(batches)`",
    )


def _look_at_loader(loader: Any) -> None:
    """Warn if a loader shuffles, reorders or drops rows."""
    batches, sampler = loader.batch_sampler, loader.sampler
    if _is_pytorchs(batches, "BatchSampler"):
        sampler = batches.sampler
        size, rows = batches.batch_size, len(sampler) if hasattr(sampler, "__len__") else 0
        if batches.drop_last and rows % size:
            warn(f"The DataLoader leaves out {rows % size} of {rows:,} rows, as drop_last=True says.")
    elif batches is not None:
        sampler = batches
    if not _is_pytorchs(sampler, "SequentialSampler", "_InfiniteConstantSampler"):
        kind = type(sampler).__name__
        _warn_of_order(f"DataLoader gives rows in the order of its {kind}, which may be any")


def _is_pytorchs(x: object, *names: str) -> bool:
    """True for an object of exactly one of these classes of PyTorch."""
    return type(x).__module__.startswith("torch.") and type(x).__name__ in names


def _is_shuffled(dataset: Any) -> bool:
    """True if a `tf.data.Dataset`, or one that it is made from, visibly shuffles."""
    made_from = getattr(dataset, "_inputs", None)
    return "Shuffle" in type(dataset).__name__ or (
        callable(made_from) and any(_is_shuffled(source) for source in made_from())
    )


def _warn_of_order(what: str) -> None:
    warn(
        f"The {what}: row numbers count the rows as they were drawn, and labels that come with "
        "them stay with them. To find a row again, do not shuffle, or give ids."
    )

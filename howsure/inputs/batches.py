"""Join batches or single rows: recognise rows, labels and ids in each, and check that all are alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from howsure.errors import InputError
from howsure.inputs.align import ID, check_ids
from howsure.inputs.frames import is_frame
from howsure.inputs.labels import are_names
from howsure.inputs.rows import InputSpec, Rows, as_array, fits
from howsure.inputs.sizes import PAD, differ, grouped

_LABELS, _CALLED = "labels", "The values in a batch"
IDS = (ID, "ids", "path", "paths", "file", "filename", "file_name", "image_id", "image_path", "idx", "index")
"""Names of ids in dicts."""

_WHICH_IS_WHICH = "rows, (rows, labels), ((rows, rows), labels), or a dict by input name with `labels`"


class Batches:
    """The batches gathered so far.

    Args:
        inputs: The model's inputs, or None if it does not declare them.
        names: Names of its inputs, if it declares only those.
        rows: True if dicts are single rows, unless their labels show that they are batches.
        single: True if all are single rows.
    """

    def __init__(
        self,
        inputs: Sequence[InputSpec] | None,
        names: Sequence[str] = (),
        *,
        rows: bool = False,
        single: bool = False,
    ) -> None:
        self._inputs, self._names, self._rows = inputs, names, rows
        self._id_name = ID
        self._parts: dict[Any, list[Any]] = {}
        self._form: type = dict
        self._forms: dict[Any, str] = {}
        self._single: bool | None = True if single else None
        self._differ = False
        self._count = 0
        self.rows = 0

    def add(self, batch: Any) -> None:
        """Add one batch, or one row, with or without labels.

        Raises:
            InputError: It is ambiguous, or differs from the first.
        """
        x, labels, ids = self._divided(batch)
        form = dict if isinstance(x, dict) else list if isinstance(x, list) else np.ndarray
        if form is not np.ndarray and not len(x):
            raise InputError(
                "A batch has no rows in it", expected=_WHICH_IS_WHICH, received=repr(batch)[:200]
            )
        named = x if form is dict else dict(enumerate(x)) if form is list else {0: x}
        _check_no_frames([*named.values(), labels, ids])
        arrays: dict[Any, Any] = {("x", name): as_array(value, _CALLED) for name, value in named.items()}
        arrays |= {(_LABELS, None): named_or_array(labels)} if labels is not None else {}
        arrays |= {(ID, None): as_array(ids, _CALLED)} if ids is not None else {}
        if not self._parts:
            self._form, self._parts = form, {key: [] for key in arrays}
        if self._single is None:
            self._single = self._is_single(arrays)
        if self._single:
            arrays = {key: np.asarray(value)[np.newaxis] for key, value in arrays.items()}
            if are_names(labels):
                arrays[_LABELS, None] = [labels]
        self._check_alike(arrays, form)
        for key, value in arrays.items():
            # A copy: a source may reuse its array.
            self._parts[key].append(list(value) if has_names(value) else np.array(value))
        self._count += 1
        self.rows += len(next(iter(arrays.values())))

    def together(self) -> Rows:
        """All rows.

        Raises:
            InputError: There were none.
        """
        if not self.rows:
            raise InputError(
                "There are no rows",
                expected="at least one batch",
                received="none",
                hint="An iterator gives its batches once: make it anew, or keep them in a list first. A "
                "DataLoader with drop_last=True leaves out a last batch that is not full",
            )
        labels, ids = self._parts.pop((_LABELS, None), None), self._parts.pop((ID, None), None)
        x: Any
        if self._differ:
            names = [name for _, name in self._parts]
            blocks = [
                dict(zip(names, block, strict=True)) for block in zip(*self._parts.values(), strict=True)
            ]
            x = grouped(blocks, self._in_form, in_batches=self.rows > self._count)
        else:
            x = self._in_form({key[1]: _joined(self._parts.pop(key)) for key in list(self._parts)})
        return Rows(
            x,
            None if labels is None else _joined(labels),
            ids=None if ids is None else check_ids(_joined(ids), self.rows),
            id_name=self._id_name,
        )

    def _in_form(self, named: dict[Any, Any]) -> Any:
        """Arrays by name as an adapter's input."""
        if self._form is np.ndarray or (self._inputs is not None and len(self._inputs) == len(named) == 1):
            return next(iter(named.values()))
        return named if self._form is dict else list(named.values())

    # --- what is what -------------------------------------------------------------------------------

    def _divided(self, batch: Any) -> tuple[Any, Any, Any]:
        """Rows, and labels and ids or None; rows of several inputs as a dict or a list."""
        if isinstance(batch, Mapping):
            rest, labels, ids, self._id_name = split_mapping(batch, self._inputs, self._names)
            return rest, labels, ids
        if not isinstance(batch, (tuple, list)):
            return batch, None, None
        if isinstance(batch, list) and not any(map(_is_array, batch)):
            return as_array(batch, _CALLED), None, None  # rows as lists of numbers, or texts
        if not batch:
            return [], None, None
        inputs = None if self._inputs is None else len(self._inputs)
        x, *others = batch
        several = isinstance(x, Mapping)
        if isinstance(x, (tuple, list)):
            several = any(map(_is_array, x)) or (len(x) == inputs and inputs > 1)
        if isinstance(x, Mapping):
            x = dict(x)
        elif not is_frame(x):
            x = list(x) if several else as_array(x, _CALLED)
        if len(batch) == inputs and not several and inputs > 1:
            return list(batch), None, None
        if inputs is not None and len(batch) == inputs + 1 > 2 and not several:
            return list(batch[:-1]), batch[-1], None
        if len(batch) == 3 and _are_texts(batch[2]):
            return x, others[0], batch[2]
        if len(batch) > 2:
            raise InputError(
                f"A batch of {len(batch)} parts does not say which are rows and which labels",
                expected=_WHICH_IS_WHICH,
                received=", ".join(f"{type(part).__name__} {np.shape(part)}" for part in batch)[:200],
                hint="Make one of these of each: `((x1, x2, y) for …)` becomes `(((x1, x2), y) for …)`; "
                "with ids it is a dict, `({'x': x, 'labels': y, 'id': ids} for …)`. Leave out weights of "
                "rows, which have no effect here",
            )
        return x, others[0] if others else None, None

    def _is_single(self, arrays: Mapping[Any, Any]) -> bool:
        """True if the first item is one row, and not a batch."""
        labels = arrays.get((_LABELS, None))
        (_, name), value = next(iter(arrays.items()))
        if value.ndim == 0 or (labels is not None and not _axis_count(labels)):
            return True
        if self._rows:
            alike = len({len(part) if _axis_count(part) else -1 for part in arrays.values()}) == 1
            return labels is None or not alike
        if self._inputs is None:
            return False
        shape = next((spec for spec in self._inputs if spec.name == name), self._inputs[0]).shape
        return fits(value.shape, shape) or (shape[-1:] == (1,) and fits(value.shape, shape[:-1]))

    def _may_differ(self, key: Any, value: Any) -> bool:
        """Whether a part of a batch is like those before but for its sides, and the model may take these."""
        before = self._parts[key][0] if self._parts[key] else value
        if isinstance(value, list) or isinstance(before, list) or value.ndim != before.ndim:
            return isinstance(value, list) and isinstance(before, list)
        inputs = [spec for spec in self._inputs or () if spec.name == key[1]] or self._inputs or ()
        free = not inputs or all(fits(part.shape[1:], inputs[0].shape) for part in (before, value))
        return value.shape[1:] == before.shape[1:] or key[0] == _LABELS or (key[0] != ID and free)

    def _check_alike(self, arrays: Mapping[Any, Any], form: type) -> None:
        """Raise unless all parts have the same number of rows, and are like those before."""
        called = f"{'Row' if self._single else 'Batch'} {self._count}"
        counts = {key: len(value) if _axis_count(value) else 1 for key, value in arrays.items()}
        if len(set(counts.values())) > 1 or not all(map(_axis_count, arrays.values())):
            raise InputError(
                f"{called} has parts of different lengths",
                expected="as many labels and ids as rows, for every input",
                received=", ".join(f"{_part_in_words(key)}: {count}" for key, count in counts.items()),
            )
        forms = {key: _row_form(value) for key, value in arrays.items()}
        self._forms = self._forms or forms
        alike = form is self._form and forms.keys() == self._forms.keys()
        other_rows = alike and any(forms[key] != self._forms[key] for key in forms if key[0] == "x")
        if other_rows and all(map(self._may_differ, arrays, arrays.values())):
            self._differ = True
        elif not alike or forms != self._forms:
            raise InputError(
                f"{called} has other parts, or of other shapes, than those before",
                expected=_parts_in_words(self._forms),
                received=_parts_in_words(forms),
                hint=PAD if forms.keys() == self._forms.keys() else None,
            )


def _joined(parts: Sequence[Any]) -> Any:
    """The rows of all batches; a list of them where they differ in shape, or hold names."""
    alike = not has_names(parts[0]) and len({part.shape[1:] for part in parts}) == 1
    return np.concatenate(parts) if alike else [row for part in parts for row in part]


def split_mapping(
    x: Mapping[Any, Any], inputs: Sequence[InputSpec] | None, names: Sequence[str] = ()
) -> tuple[dict[Any, Any], Any, Any, str]:
    """Split a dict into rows, labels, ids and the name of the ids; labels and ids may be None.

    Labels are called `labels` or `label`, as in Hugging Face, or `y`; ids have one of the names `IDS`. An
    input may have such a name too. If the model declares its inputs, at least their names, these decide.
    Otherwise only texts are ids; the same holds if the single input may be a dict of several arrays.

    Args:
        x: The arrays by name.
        inputs: The model's inputs, or None.
        names: Names of its inputs, if it declares only those.
    """
    rest, spec_names = dict(x), [spec.name for spec in inputs or ()]
    label_names = [name for name in ("labels", "label") if name in rest and name not in spec_names]
    input_names = spec_names or list(names)
    if not label_names and input_names and "y" in rest and "y" not in input_names:
        label_names = ["y"]
    labels = rest.pop(label_names[0]) if label_names else None
    of_several = not spec_names and len(input_names) == 1 and len(rest) > 2
    if of_several:
        input_names = []
    id_name = next((name for name in IDS if name in rest and _are_ids(name, rest, input_names)), None)
    ids = None if id_name is None else rest.pop(id_name)
    return rest, labels, ids, id_name or ID


def _are_ids(name: str, arrays: Mapping[Any, Any], input_names: Sequence[str]) -> bool:
    """True if the array under an id name is no input."""
    return len(arrays) > 1 and (name not in input_names if input_names else _are_texts(arrays[name]))


def _are_texts(value: Any) -> bool:
    """True for a text, or a list or an array of texts."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, (str, bytes)) for item in value)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return isinstance(value, str) or kind == "U" or (kind == "O" and _are_texts(list(np.ravel(value))))


def _axis_count(value: Any) -> int:
    """How many axes there are; one of lists of names."""
    return 1 if isinstance(value, (list, tuple)) else len(value.shape)


def _row_form(value: Any) -> str:
    """The form of a row in a batch, in words."""
    return f"a {type(value).__name__}" if has_names(value) else f"shape {value.shape[1:]}"


def _check_no_frames(parts: Sequence[Any]) -> None:
    """Raise an `InputError` for data frames and series: their index would have to be joined as well."""
    frame = next((part for part in parts if is_frame(part)), None)
    if frame is not None:
        raise InputError(
            "A batch holds a data frame or a series",
            expected="arrays in batches, or one data frame with all rows",
            received=type(frame).__qualname__,
            hint="Join them before, as with `pandas.concat(list(x))`, or give numbers: `part.to_numpy()`",
        )


def has_names(labels: Any) -> bool:
    """True for a frame, a series, or a list of lists of names, which would lose them as an array."""
    return is_frame(labels) or (isinstance(labels, (list, tuple)) and all(map(are_names, labels)))


def named_or_array(labels: Any, called: str = "The labels") -> Any:
    """Labels in their own form if that may have names or maps of several sizes in it, otherwise an array."""
    return labels if labels is None or has_names(labels) or differ([labels]) else as_array(labels, called)


def _is_array(value: object) -> bool:
    """True for an array, or a dict of arrays."""
    return hasattr(value, "shape") or isinstance(value, Mapping)


def _part_in_words(key: tuple[str, Any]) -> str:
    part, name = key
    return part if part != "x" else f"'{name}'" if isinstance(name, str) else "rows"


def _parts_in_words(forms: Mapping[Any, str]) -> str:
    return ", ".join(f"{_part_in_words(key)} of {form} for a row" for key, form in forms.items())

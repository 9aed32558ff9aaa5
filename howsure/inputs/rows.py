"""Convert the caller's rows to arrays that a model accepts, or raise one `InputError` that names the fault.

Values are checked in chunks of rows. They are never changed and nothing is copied: a memory-mapped file stays
on disk, 8-bit images stay 8-bit. The code that runs the model casts to its dtype, one batch at a time.
`howsure.inputs.files` reads files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from howsure.errors import FileError, InputError

Array = NDArray[Any]

_CHUNK_BYTES = 16 * 2**20
_SHOWN = 5
_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}
TEXT = "string"
"""The type of an input that takes text."""

MOST_AXES = 4
"""Axes of the answers of a row: three of positions, and that of the classes."""

_IMAGE_CHANNELS = (1, 3, 4)
_LEAST_SIDE_OF_IMAGE = 8


@dataclass(frozen=True)
class InputSpec:
    """One input of a model.

    Attributes:
        name: Its name in the model.
        shape: Shape of one row, without the batch axis; None means any size.
        dtype: Type in which the model computes: `float32`, `int32`, `bool`, `string`, …
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    @property
    def array_dtype(self) -> str:
        """The numpy type in which the input gets its rows: Python objects for text."""
        return "object" if self.dtype == TEXT else self.dtype


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows with optional labels and ids.

    Attributes:
        x: The rows (N, …); for a model with several inputs, a dict of them by name or a list.
        labels: N true answers as they came, in any form that `with_truth` of a result takes, or None: a frame
            or series keeps its names until `check_truth` of the outcome reads them. Labels from class folders
            are numbers.
        class_names: Names of the class sub-folders, sorted, or None.
        ids: (N,) the caller's name of each row, texts or whole numbers, or None. For images, the file names
            relative to the folder.
        id_name: Name of the column of ids; `file` for images.
        left_out: Unreadable images that were skipped, each with the reason.
        by_number: True if labels may also be output numbers, in case the model names its classes differently.
            That holds for a dataset in memory, not for class folders.
        columns: Names of the columns that form `x`, if each column is one value of a row.
        frame_index: (N,) what the index of a data frame calls each row, or None without an index.
        positions: The positions of each row that count, as for `assess`, or None.
    """

    x: Any
    labels: Any = None
    class_names: tuple[str, ...] | None = None
    ids: Array | None = None
    id_name: str = "id"
    left_out: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    by_number: bool = False
    frame_index: Array | None = None
    positions: Any = None

    @property
    def by_column(self) -> Any:
        """The rows as columns by name, if the names are known, for code that reads columns."""
        return dict(zip(self.columns, self.x.T, strict=True)) if self.columns else self.x

    def truth(self, names: Sequence[str] | None) -> Any:
        """The labels; those from class folders as names, so that they follow the class names.

        Args:
            names: Class names in the order of the model's outputs, or None for the order of the folders.

        Raises:
            InputError: A folder is not among the names.
        """
        if self.labels is None or self.class_names is None or names is None:
            return self.labels
        unknown = [folder for folder in self.class_names if folder not in names]
        if unknown and self.by_number and len(names) == len(self.class_names):
            return self.labels
        if unknown:
            noun, plural = ("class", "classes in the dataset") if self.by_number else ("folder", "folders")
            raise InputError(
                f"The {noun} '{unknown[0]}' is not among the class names",
                expected=f"{plural} named like the classes: {', '.join(names[:12])}",
                hint=f"Rename the {plural}, or name the classes like them, in the order of the "
                "model's outputs",
            )
        return np.asarray(self.class_names, dtype=object)[self.labels]


def row_kind(inputs: Sequence[InputSpec]) -> str:
    """Name of one row in sentences: `image` or `row`.

    An image is a single input of numbers of one of three shapes: 1, 3 or 4 channels last; 1, 3 or 4 channels
    first before sides of at least 8; or a square of at least 8 × 8. A row with two axes that is not square is
    taken for a sequence.
    """
    if len(inputs) != 1 or inputs[0].dtype == TEXT:
        return "row"
    shape = inputs[0].shape
    if len(shape) == 3:
        return "image" if shape[-1] in _IMAGE_CHANNELS or channels_are_first(shape) else "row"
    if len(shape) == 2 and shape[0] is not None and shape[0] >= _LEAST_SIDE_OF_IMAGE:
        return "image" if shape[0] == shape[1] else "row"
    return "row"


def channels_are_first(shape: Sequence[int | None]) -> bool:
    """Whether the three axes of an image are channels, height and width, as in PyTorch; see `row_kind`."""
    channels, *sides = shape
    large = all(side is None or side >= _LEAST_SIDE_OF_IMAGE for side in sides)
    return channels in _IMAGE_CHANNELS and sides[-1] not in _IMAGE_CHANNELS and large


def check_rows(x: object, inputs: Sequence[InputSpec]) -> list[Array]:
    """The rows as one array per input, in the order of `inputs`, ready for the model.

    As in Keras's `predict`, a missing last axis of size 1 is added, and a superfluous one removed. A float
    input accepts whole numbers; an integer input accepts floats if all of them are whole. The arrays keep
    their dtype and, if `x` is an array, share its memory.

    Args:
        x: N rows: an array (N, …), or anything that numpy converts to one, such as a list or a tensor;
            `howsure.inputs.loaders` converts other sources. For several inputs a list or tuple of arrays, or
            a dict by input name; a dict also works for one input. Zero rows are allowed.
        inputs: The model's inputs.

    Returns:
        One array (N, *shape) per input, not cast.

    Raises:
        InputError: Wrong number or names of inputs, shape, or dtype; different N; NaN or infinity; numbers
            that the input's dtype cannot hold.

    Example:
        >>> check_rows([[0, 1], [2, 3]], [InputSpec("x", (2, 1), "float32")])[0].shape
        (2, 2, 1)
    """
    arrays = []
    for value, spec in zip(_one_value_per_input(x, inputs), inputs, strict=True):
        called = "The rows" if len(inputs) == 1 else f"The rows of input '{spec.name}'"
        array = _check_kind(_as_array(value, spec, called), spec, called)
        array = _fit(array, spec, called)
        _check_values(array, spec, called)
        arrays.append(array)
    counts = {spec.name: len(array) for spec, array in zip(inputs, arrays, strict=True)}
    if len(set(counts.values())) > 1:
        raise InputError(
            "The inputs differ in their number of rows",
            expected="the same number of rows for every input",
            received=", ".join(f"'{name}' has {count}" for name, count in counts.items()),
        )
    return arrays


# --- which value belongs to which input -----------------------------------------------------------


class CastRows:
    """Rows that are cast to the input's type only when they are read.

    Args:
        array: (N, …), in memory or on disk.
        dtype: The input's type.
    """

    def __init__(self, array: Array, dtype: str) -> None:
        self._array, self._dtype = array, dtype

    def __len__(self) -> int:
        return len(self._array)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, …)."""
        return self._array.shape

    def __getitem__(self, positions: Any) -> Array:
        return np.asarray(self._array[positions]).astype(self._dtype)


def cast_rows(rows: Sequence[Array], inputs: Sequence[InputSpec]) -> list[CastRows]:
    """Checked rows, cast to the types of the inputs when they are read."""
    return [CastRows(array, spec.array_dtype) for array, spec in zip(rows, inputs, strict=True)]


def _one_value_per_input(x: object, inputs: Sequence[InputSpec]) -> list[object]:
    names = [spec.name for spec in inputs]
    if isinstance(x, Mapping):
        missing = [name for name in names if name not in x]
        unknown = [str(name) for name in x if name not in names]
        if missing or unknown:
            raise InputError(
                "The names of the arrays are not those of the model's inputs",
                expected=f"arrays named {quoted(names)}",
                received=quoted([str(name) for name in x]) or "an empty dict",
            )
        return [x[name] for name in names]
    if len(names) == 1:
        return [_unwrap(x, len(inputs[0].shape) + 1)]
    expected = f"a dict or a list with one array for each of the inputs {quoted(names)}"
    if not isinstance(x, (list, tuple)):
        raise InputError(f"The model has {len(names)} inputs", expected=expected, received=_in_words(x))
    if len(x) != len(names):
        received = "1 value" if len(x) == 1 else f"{len(x)} values"
        raise InputError(f"The model has {len(names)} inputs", expected=expected, received=received)
    return list(x)


def _unwrap(x: object, rank: int) -> object:
    """`[array]` becomes the array if it has the rank of a batch, and so cannot be one row in a list."""
    if isinstance(x, (list, tuple)) and len(x) == 1 and len(getattr(x[0], "shape", ())) == rank:
        return x[0]
    return x


# --- to an array of the right kind ----------------------------------------------------------------


def _as_array(value: object, spec: InputSpec, called: str) -> Array:
    if type(value) in (np.ndarray, np.memmap):
        return np.asanyarray(value)
    try:
        array = as_array(value, called)
    except InputError as error:
        differs = _first_that_differs(value) if isinstance(value, (list, tuple)) else ""
        if not differs:
            raise
        raise InputError(
            f"{called} differ in shape{differs}",
            expected="the same shape for every row",
            hint="Pad or cut them to one shape",
        ) from error
    if array.ndim == 0:
        raise InputError(
            f"{called} are not an array",
            expected=f"an array of shape {shown_shape(spec)}",
            received=_in_words(value),
            hint="Load a file first, as with `numpy.load`, and make an array of anything else: `x.toarray()`",
        )
    return array


def check_unmasked(value: object, called: str) -> None:
    """Raise an `InputError` that names the masked rows of a masked array, or of a list of them.

    numpy would use the numbers under the mask as values.

    Args:
        value: Any object.
        called: The value in words, for the message.
    """
    if np.ma.isMaskedArray(value):
        masked = np.ma.getmaskarray(value)
    elif isinstance(value, (list, tuple)) and any(np.ma.isMaskedArray(row) for row in value):
        masked = np.array([np.ma.isMaskedArray(row) and np.ma.is_masked(row) for row in value])
    else:
        return
    bad = np.flatnonzero(masked.reshape(len(masked), -1).any(axis=1)) if masked.ndim else np.array([0])
    if masked.any():
        raise InputError(
            f"{called} are masked {in_rows(len(bad), bad[:_SHOWN].tolist())}",
            expected="a value everywhere",
            received=f"a masked array with {np.count_nonzero(masked)} masked values"
            if np.ma.isMaskedArray(value)
            else "a list with masked arrays in it",
            hint="Leave those rows out, or fill them in with `x.filled(value)`",
        )


def as_array(values: Any, called: str) -> NDArray[Any]:
    """An array, also from a tensor of PyTorch on any device.

    Args:
        values: Anything.
        called: The values in words, for the message.

    Raises:
        InputError: Masked values, a tensor without plain numbers, or what numpy makes no array of.
    """
    check_unmasked(values, called)
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = _on_the_processor(values, called)
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{called} are not an array ({error})",
            expected="values that numpy.asarray takes, all of one shape",
            received=repr(values)[:200],
            hint="Make one array of them first; of tensors `torch.stack(x).detach().float().cpu().numpy()`",
        ) from error


def _on_the_processor(tensor: Any, called: str) -> Any:
    """A tensor of PyTorch that numpy can read; of bfloat16, which numpy lacks, in float32."""
    layout = str(getattr(tensor, "layout", "torch.strided"))
    if getattr(tensor, "is_meta", False) or layout != "torch.strided":
        raise InputError(
            f"{called} are not an array",
            expected="an ordinary tensor",
            received="a tensor without numbers, on the device 'meta'"
            if tensor.is_meta
            else f"one of layout {layout}",
            hint=None if tensor.is_meta else "Convert it with `x.to_dense()`",
        )
    tensor = tensor.detach().cpu()
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor


def as_floats(values: Any, called: str) -> NDArray[np.float64]:
    """Numbers in double precision, also from a tensor of PyTorch, or an `InputError` for what are none.

    Args:
        values: Anything.
        called: The values in words, for the message.
    """
    array = as_array(values, called)
    with suppress(TypeError, ValueError):
        if array.dtype.kind in "biufO":
            return np.asarray(array, dtype=np.float64)
    raise InputError(f"{called} are not numbers", expected="an array of numbers", received=repr(values)[:200])


def _first_that_differs(rows: Sequence[Any]) -> str:
    shapes: list[tuple[int, ...]] = []
    for number, row in enumerate(rows):
        try:
            shapes.append(tuple(row.shape) if hasattr(row, "shape") else np.shape(row))
        except (TypeError, RuntimeError):
            return ""
        except ValueError:
            return f": row {row_number(number)} is not rectangular"
        if shapes[-1] != shapes[0]:
            return f": row {row_number(0)} has shape {shapes[0]}, row {row_number(number)} has {shapes[-1]}"
    return ""


def _check_kind(array: Array, spec: InputSpec, called: str) -> Array:
    kind = array.dtype.kind
    if array.size == 0 and kind in "biufOUS":
        return array
    if spec.dtype == TEXT:
        if kind not in "OUST":
            raise InputError(
                f"{called} are not text", expected="strings", received=f"an array of {array.dtype}"
            )
        return array
    if kind in "biuf":
        return array
    raise InputError(
        f"{called} are not numbers",
        expected=f"numbers that fit {spec.dtype}",
        received=f"an array of {array.dtype}",
        hint="Make tokens of texts: howsure.assess(model, tokenizer(texts)). With a pipeline of "
        "transformers: howsure.assess(pipeline, texts)"
        if array.ndim == 1 and (kind in "UT" or (kind == "O" and isinstance(array[0], str)))
        else "Convert them, for example with `numpy.asarray(x, dtype='float32')`",
    )


# --- shapes ---------------------------------------------------------------------------------------


def fits(row: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    """True if a row of one shape fits an input; None means any size."""
    return len(row) == len(shape) and all(b is None or a == b for a, b in zip(row, shape, strict=True))


def _fit(array: Array, spec: InputSpec, called: str) -> Array:
    """The array in shape (N, *spec.shape), as a view; a last axis of size 1 is added or removed."""
    shape = spec.shape
    if array.shape == (0,):
        return array.reshape((0, *(1 if size is None else size for size in shape)))
    if array.ndim == len(shape) + 1 and fits(array.shape[1:], shape):
        return array
    if fits(array.shape, shape) and shape != (1,):
        raise InputError(
            f"{called} are a single row without a batch axis",
            expected=f"an array of shape {shown_shape(spec)}",
            received=f"an array of shape {array.shape}",
            hint="For one row give `x[None]`",
        )
    if array.ndim == len(shape) and shape[-1] == 1 and fits(array.shape[1:], shape[:-1]):
        return array[..., np.newaxis]
    if array.ndim == len(shape) + 2 and array.shape[-1] == 1 and fits(array.shape[1:-1], shape):
        return array[..., 0]
    raise InputError(
        f"{called} do not have the shape the model takes",
        expected=f"an array of shape {shown_shape(spec)}",
        received=f"an array of shape {array.shape}",
        hint=_hint_for_shape(array, shape),
    )


def _hint_for_shape(array: Array, shape: tuple[int | None, ...]) -> str | None:
    row = array.shape[1:]
    if shape and shape[-1] == 1 and fits(array.shape, shape[:-1]):
        return "For one row give `x[None]`"
    if len(shape) == 3 and len(row) == 3:
        if fits((*row[1:], row[0]), shape):
            return "The channels come last in this model: give `numpy.moveaxis(x, 1, -1)`"
        if fits((row[-1], *row[:-1]), shape):
            return "The channels come first in this model: give `numpy.moveaxis(x, -1, 1)`"
    sizes = [size for size in shape if size is not None]
    if len(sizes) == len(shape) and array.ndim > 1 and np.prod(row) == np.prod(sizes):
        return f"If only the arrangement differs, give `numpy.asarray(x).reshape{(-1, *sizes)}`"
    return None


# --- values ---------------------------------------------------------------------------------------


def _check_values(array: Array, spec: InputSpec, called: str) -> None:
    if spec.dtype == TEXT:
        if array.dtype.kind == "O":
            _refuse(array, _not_text, called, "something that is not text", "strings")
    elif spec.dtype == "bool" or spec.dtype.startswith(("int", "uint")):
        _check_whole(array, spec, called)
    else:
        _check_finite(array, spec, called)


def _check_finite(array: Array, spec: InputSpec, called: str) -> None:
    """Raise for NaN, infinity, and numbers that would be infinite in the input's dtype."""
    limit = _LARGEST.get(spec.dtype, float(np.finfo(np.float64).max))
    is_float = array.dtype.kind == "f"
    if array.dtype.kind == "b" or (not is_float and np.iinfo(array.dtype).max <= limit):
        return
    if is_float and float(np.finfo(array.dtype).max) <= limit:
        _refuse(array, _not_finite, called, "NaN or infinite values", "finite numbers")
        return

    def unusable(chunk: Array) -> Array:
        return np.asarray(~((chunk <= limit) & (chunk >= -limit)))

    if not _rows_where(array, unusable)[0]:
        return
    if is_float:
        _refuse(array, _not_finite, called, "NaN or infinite values", "finite numbers")
    what = f"values too large for {spec.dtype}, which the model computes in"
    _refuse(array, unusable, called, what, f"numbers up to {limit:.4g} in size")


def _check_whole(array: Array, spec: InputSpec, called: str) -> None:
    """Raise unless all are whole numbers that the input's dtype can hold."""
    is_float, is_bool = array.dtype.kind == "f", spec.dtype == "bool"
    if not is_float and np.can_cast(array.dtype, spec.dtype):
        return
    low, high = (0, 1) if is_bool else (int(np.iinfo(spec.dtype).min), int(np.iinfo(spec.dtype).max))

    def unusable(chunk: Array) -> Array:
        above = chunk >= float(high + 1) if is_float else chunk > high
        fraction = chunk != np.floor(chunk) if is_float else False
        return np.asarray((chunk < low) | above | fraction | (chunk != chunk))

    what = f"values that {spec.dtype} cannot hold, which the model takes"
    _refuse(array, unusable, called, what, f"whole numbers from {low} to {high}")


def _not_finite(chunk: Array) -> Array:
    return np.asarray(~np.isfinite(chunk))


def _not_text(chunk: Array) -> Array:
    is_text = [isinstance(value, (str, bytes)) for value in chunk.reshape(-1)]
    return ~np.array(is_text, dtype=bool).reshape(chunk.shape)


def _rows_where(array: Array, bad: Callable[[Array], Array]) -> tuple[int, list[int]]:
    """How many rows have a bad value, and the numbers of the first of them."""
    count, numbers = 0, list[int]()
    step = max(1, _CHUNK_BYTES * len(array) // max(1, array.nbytes))
    for start in range(0, len(array), step):
        chunk = np.asarray(array[start : start + step])
        rows = np.flatnonzero(bad(chunk).reshape(len(chunk), -1).any(axis=1))
        count += len(rows)
        numbers += [start + int(row) for row in rows[: _SHOWN - len(numbers)]]
    return count, numbers


def _refuse(array: Array, bad: Callable[[Array], Array], called: str, what: str, expected: str) -> None:
    count, numbers = _rows_where(array, bad)
    if not count:
        return
    row = np.asarray(array[numbers[0] : numbers[0] + 1])
    value = row[bad(row)][0]
    raise InputError(
        f"{called} hold {what}, {in_rows(count, numbers)}",
        expected=expected,
        received=f"{value} in row {row_number(numbers[0])}",
        hint="Mend or leave out those rows",
    )


# --- rows where there are no real ones -----------------------------------------------------------

ANY_SIZE = (16, 32, 60, 128, 224)
"""Sizes to try for a free axis in made-up rows; the first that the model accepts is used. They are lengths of
short sequences, a number that 2 to 6 divide, and the image side of most published networks."""


def made_up_rows(
    inputs: Sequence[InputSpec],
    like: Sequence[Any] | None = None,
    count: int = 2,
    any_size: int = ANY_SIZE[0],
) -> list[Array]:
    """Made-up rows for some inputs: normal numbers, ones for whole numbers, or some text.

    Args:
        inputs: The model's inputs.
        like: Rows of each input, whose shapes fill in free axes, or None.
        count: Number of rows.
        any_size: Size of free axes if `like` is None.
    """
    random, rows = np.random.default_rng(0), []
    for number, spec in enumerate(inputs):
        sides = tuple(any_size if side is None else side for side in spec.shape)
        shape = (count, *(sides if like is None else like[number].shape[1:]))
        if spec.dtype.startswith(("float", "bfloat")):
            values = random.normal(size=shape)
        else:
            values = np.full(shape, "some text" if spec.dtype == TEXT else 1)
        rows.append(values.astype(spec.array_dtype))
    return rows


# --- words ----------------------------------------------------------------------------------------


_NUMBERS: ContextVar[Sequence[int] | NDArray[Any] | None] = ContextVar("_NUMBERS", default=None)
"""Numbers of the rows in their file, while only a part of it is checked."""


@contextmanager
def numbered(numbers: Sequence[int] | NDArray[Any]) -> Iterator[None]:
    """In this scope, messages give rows the numbers that they have in their file.

    Args:
        numbers: (N,) numbers of the rows that are checked in this scope, in order.
    """
    before = _NUMBERS.set(numbers)
    try:
        yield
    finally:
        _NUMBERS.reset(before)


def row_number(place: int | np.integer[Any]) -> int:
    """The number of a row in a message, from 0.

    Args:
        place: Its position among the rows that are checked.

    Example:
        >>> with numbered(range(100, 200)):
        ...     print(row_number(5))
        105
        >>> row_number(5)
        5
    """
    numbers = _NUMBERS.get()
    return int(place) if numbers is None or place >= len(numbers) else int(numbers[int(place)])


def in_rows(count: int, numbers: Sequence[int]) -> str:
    """`in row 4`, or `in 7 rows: 1, 3, 4, 8, 9, …`; rows are numbered from 0."""
    if count == 1:
        return f"in row {row_number(numbers[0])}"
    more = ", …" if count > len(numbers) else ""
    return f"in {count} rows: {', '.join(str(row_number(number)) for number in numbers)}{more}"


def listed(parts: Sequence[str], between: str = ", ") -> str:
    """The parts, joined; after ten of them only the number of the rest."""
    more = f" and {len(parts) - 10} more" if len(parts) > 10 else ""
    return between.join(parts[:10]) + more


def quoted(names: Sequence[str]) -> str:
    """The names in quotes, separated by commas; after ten of them only the number of the rest."""
    return listed([f"'{name}'" for name in names])


def shown_shape(spec: InputSpec) -> str:
    """Shape of a batch in words: `(N, 28, 28, 1)`, with `any` for a free size."""
    sizes = ", ".join("any" if size is None else str(size) for size in spec.shape)
    return f"(N, {sizes})" if sizes else "(N,)"


def damaged(source: Path, kind: str, error: Exception) -> FileError:
    """The error for a file whose content does not match its suffix."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return FileError(
        f"'{source}' is not a readable {kind} file ({reason.rstrip('.')})",
        hint="It may be damaged, cut short, or of another kind than its name says",
    )


def _in_words(value: object) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(value, (str, bytes)):
        return f"the text {value!r}"
    if isinstance(shape, tuple) and shape:
        return f"one array of shape {shape}"
    return f"a value of type {type(value).__name__}"

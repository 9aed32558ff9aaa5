"""The base of all results: rows with declared columns, and what follows from that: parts, tables and files.

A result is a frozen dataclass derived from `Result`. Its `columns` say what there is of every row; its other
fields are settings, of which there is one for all rows. Nothing here knows a column by name but
`row` and `ids`.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from howsure.arguments import check_path
from howsure.atomic import TABLES, check_ending, check_place, new_folder, write_whole
from howsure.displayed import Displayed
from howsure.errors import FileError, InputError
from howsure.inputs.align import ID, aligned, without_index
from howsure.inputs.labels import check_names
from howsure.inputs.own_arrays import OwnSettings, adopted, own_copy, read_only
from howsure.inputs.rows import as_array
from howsure.inputs.typed_json import typed, types_of
from howsure.optional import needs
from howsure.results.columns import (
    AT_LEVELS,
    EITHER,
    FLOAT,
    STRING,
    WIDE,
    WIDE_AT_LEVELS,
    WIDE_OF_NETWORKS,
    Column,
    is_in_files,
    rows_at_a_time,
    to_arrow,
)
from howsure.results.export import SET, sets_in_words
from howsure.results.lazy_maps import joined_maps
from howsure.results.row_index import Positions, one_position, several_positions
from howsure.results.saved import (
    FORMAT,
    METADATA_KEY,
    PACKED,
    TABLE,
    Maps,
    complete,
    maps_of,
    read_table,
    table_in,
    unpacked,
    with_digest,
    with_packed,
    with_settings,
    write_maps,
)
from howsure.sampling.between import LEVELS
from howsure.statistics import ERROR_FLOOR, widening
from howsure.words import is_printable, listed

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import ArrayLike

    from howsure.audit import Audit
    from howsure.compare.comparison import Comparison

OneRow = TypeVar("OneRow")

INDEX = "frame_index"
"""The optional column by which labels are aligned; parts are joined without it too. A table holds it unless
the numbers or ids of the rows equal it."""

ALL_COLUMNS = "all"
"""The word for every column of a table."""

MOVES = "_moves"
"""(N, K, G) by how much each group of passes moves the answers, where that was kept. It is no column: it is
about these very answers, so a result with other ones begins without it."""

_ROWS_AT_A_TIME = 2**20
"""Most rows in one part of a file, as pyarrow would have it."""

_READ_AT_A_TIME = 2**22
"""Most positions of maps that are looked at together, 16 MB of a map."""


class Shown(Displayed):
    """Prints and reports a result. The code that shows it is imported on first use."""

    def __str__(self) -> str:
        from howsure.tasks.printed import text_of

        return text_of(self)

    def report(
        self,
        path: str | os.PathLike[str],
        rows: Any = None,
        labels: ArrayLike | None = None,
        *,
        audit: Audit | None = None,
        comparison: Comparison | None = None,
        title: str | None = None,
        background: int | str | None = None,
    ) -> None:
        """Write one HTML page that says which rows to check first, and whether to trust the percentages.

        It needs nothing from outside. An earlier file stays until the new one is complete.

        Args:
            path: The HTML file.
            rows: The N rows that were assessed, in their order, or with their index or ids: an array (N, …),
                a data frame, or a dict of arrays by name. Images are shown as images, anything else by its
                first values, with the names of their columns if there are any. Default: neither.
            labels: True answers, as for `with_truth`. Default: those of the result.
            audit: The random layers of the model; the page ends with them.
            comparison: A comparison of methods on rows like these; the page shows its answer.
            title: A line above the heading.
            background: For a class at each position: the class, by number or name, that means over classes
                leave out; see `howsure.evaluate`.

        Raises:
            InputError: `rows` or `labels` do not fit, or this kind of answer keeps no true answers.
            FileError: The file cannot be written.

        Example:
            >>> howsure.assess(model, x).report("report.html", rows=x, labels=labels)
        """
        result: Any = self
        if labels is not None:
            result = result.with_truth(labels)
        parts: dict[str, Any] = {"audit": audit, "comparison": comparison, "title": title}
        from howsure.report.page import write_report

        write_report(path, result, rows, background=background, **parts)


@dataclass(frozen=True, eq=False)
class Result(Shown, Generic[OneRow]):
    """Base of all results for N rows; `Certainty` is one.

    Attributes:
        answer: Name of the kind of answer, which files of it hold; see `howsure.tasks.task`.
        in_words: The kind of answer in words, for messages: `one class per row`.
        as_classes: A sentence on how to get one class per row from it; `{first}` becomes the first of the
            names.
        columns: The columns of every row, in the order of the table.
        names: The setting that holds the K names.
        row_type: The class of one row.
        one_goes_unnamed: Whether the table leaves out the name where there is only one, K = 1.
        unscored: Optional columns that no score looks at, so that commands can do without them.
        ids: (N,) the caller's names of the rows, or None; a kind that keeps them declares this column.
        id_name: Name of the column of ids.
        frame_index: (N,) the index of the data frame of the rows, or None, likewise.
        truth: (N, …) what is true of each row, or None, likewise.
    """

    answer: ClassVar[str]
    in_words: ClassVar[str] = "another kind"
    as_classes: ClassVar[str | None] = None
    columns: ClassVar[tuple[Column, ...]]
    names: ClassVar[str]
    row_type: ClassVar[type[Any]]
    one_goes_unnamed: ClassVar[bool] = False
    unscored: ClassVar[tuple[str, ...]] = ()

    # Without a type these are no fields of the dataclass: a kind that keeps such a column declares its field.
    ids = cast("Any", None)
    id_name = cast("Any", ID)
    frame_index = cast("Any", None)
    truth = cast("Any", None)

    def __post_init__(self) -> None:
        kind = self.names.removesuffix("_names")
        names = check_names(getattr(self, self.names), kind, f"The {self.names.replace('_', ' ')}")
        object.__setattr__(self, self.names, names)
        (rows,) = as_array(vars(self)["row"], "The numbers of `row`").shape[:1] or (0,)
        for column in self.columns:
            if not column.stored:
                continue
            shape = column.sides(rows, len(names), self.positions)
            values = getattr(self, column.name)
            if values is None and column.default is not None:
                values = np.full(shape, column.default)
            if values is None and column.optional:
                continue
            object.__setattr__(
                self, column.name, _own_array(self._checked_column(column, values, shape, len(names)))
            )
        for name in self._setting_names():
            setting = getattr(self, name)
            if not isinstance(setting, OwnSettings):
                setting = OwnSettings.of(typed(types_of(type(self))[name], setting, name))
            object.__setattr__(self, name, setting)
        self._check_column_names()

    def _checked_column(
        self, column: Column, values: Any, shape: tuple[int, ...], names: int
    ) -> NDArray[Any]:
        """The values of a column as they are kept; see `Column.checked`."""
        return column.checked(values, shape, names)

    def _check_column_names(self) -> None:
        """An `InputError` where a column is called like another in the table, or cannot be printed."""
        for column in self.columns:
            if column.called is None:
                continue
            called = getattr(self, column.called)
            if not self.can_call(called) or not is_printable(called):
                raise InputError(
                    f"`{column.called}` cannot be of a result",
                    expected="a text in one line that is the name of no other column",
                    received=ascii(called),
                )

    @property
    def positions(self) -> tuple[int, ...]:
        """Shape *P of the positions of a row; empty if a row has one answer."""
        return ()

    @classmethod
    def can_call(cls, name: str) -> bool:
        """Whether a column of the caller's may have this name in the table."""
        return bool(name) and name.split(".")[0] not in {PACKED, *(column.name for column in cls.columns)}

    @classmethod
    def has(cls, name: str) -> bool:
        """Whether results of this type have such a column or setting."""
        return name in {column.name for column in cls.columns} or name in cls._setting_names()

    @property
    def truth_names(self) -> tuple[str, ...] | None:
        """Names by which a true answer may be given in a file of labels, or None."""
        return None

    @classmethod
    def first_numbers(cls) -> str:
        """Name of the first column of numbers, which holds the answer: `probabilities`."""
        stored = [column for column in cls.columns if column.stored and column.type == FLOAT]
        return min(stored, key=lambda column: column.shape != WIDE).name

    @classmethod
    def _cell_names(cls, column: Column, settings: Mapping[str, Any]) -> list[str]:
        """Names in the table of a column's values: `probabilities.cat`, `quantiles.height.0.5`.

        First the column, then the name of the class, label or number, then the level. The name of the only
        number is left out. Networks are in no table.

        Args:
            column: One of this type.
            settings: The settings of a result by name.
        """
        if column.shape == WIDE_OF_NETWORKS:
            return []
        names = settings[cls.names]
        parts = [[column.name if column.called is None else settings[column.called]]]
        if column.shape in (WIDE, WIDE_AT_LEVELS) and not (cls.one_goes_unnamed and len(names) == 1):
            parts.append(names)
        if column.shape in (AT_LEVELS, WIDE_AT_LEVELS):
            parts.append([f"{level:g}" for level in LEVELS])
        return [".".join(path) for path in itertools.product(*parts)]

    @property
    def _arrays(self) -> dict[str, Any]:
        """The stored columns that are there, by name."""
        arrays = {column.name: getattr(self, column.name) for column in self.columns if column.stored}
        return {name: array for name, array in arrays.items() if array is not None}

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor, so that copies from other processes are read-only as well.
        return type(self), tuple(getattr(self, field.name) for field in fields(self))

    # --- rows ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(vars(self)["row"])

    def __iter__(self) -> Iterator[OneRow]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> OneRow: ...
    @overload
    def __getitem__(self, index: Positions) -> Self: ...
    def __getitem__(self, index: int | Positions) -> OneRow | Self:
        """One row for a whole number, a smaller result for a slice or an array of positions."""
        position = one_position(index, len(self))
        if position is not None:
            return self._row(position)
        rows = several_positions(self._mask_in_order(index), len(self))
        result = replace(self, **{name: _rows_at(array, rows) for name, array in self._arrays.items()})
        return result._knowing({name: array[rows] for name, array in self._from_maps.items()})

    def _mask_in_order(self, chosen: Any) -> Any:
        """A series of booleans in the order of the rows, by its index; anything else as it is."""
        is_mask = getattr(getattr(chosen, "dtype", None), "kind", "") == "b"
        return aligned(chosen, self, "The chosen rows", "rows") if is_mask else chosen

    @property
    def _from_maps(self) -> dict[str, NDArray[Any]]:
        """The columns that follow from maps and are known already, by name."""
        names = [MOVES, *(column.name for column in self.columns if column.of_maps)]
        return {name: vars(self)[name] for name in names if name in vars(self)}

    def _knowing(self, columns: Mapping[str, NDArray[Any]]) -> Self:
        """This result itself, with columns that follow from its maps."""
        vars(self).update({name: _own_array(array) for name, array in columns.items()})
        return self

    def _changed(self, arrays: Mapping[str, Any]) -> Self:
        """The same answers with other columns beside them, by name."""
        return replace(self, **arrays)._knowing(self._from_maps)

    def _moved_by(self, moves: NDArray[Any]) -> Self:
        """This result itself, knowing by how much each group of passes moves its answers (N, K, G)."""
        return self._knowing({MOVES: moves})

    def mean_error(self, rows: Positions | None = None) -> NDArray[np.float64]:
        """The Monte Carlo standard error of the mean answer over rows.

        All rows get the same masks, so their errors do not average out, and the error of a mean is larger
        than errors of independent rows would make it. With e_b by how much group b of the passes moves a row
        (`howsure.methods.kept_groups`), it is √(Σ_b (mean of e_b over rows)²), widened by Student's t.

        Args:
            rows: An index of this result, in any form that it takes. Default: all rows.

        Returns:
            (K,) error of the mean probability of each class or label, or of the mean number of each target;
            ± 1.96 of it covers 95 %. 0 where all `mc_error` are 0, as of a plain prediction.

        Raises:
            InputError: No rows, or groups of passes were not kept, as in a result that was loaded,
                calibrated or made from probabilities.

        Example:
            >>> result = howsure.assess(model, x, method=howsure.MCDropout(passes=200), keep="groups")
            >>> result.mean_error(result.verdict == "sure").shape
            (10,)
        """
        chosen = self if rows is None else self[rows]
        if not isinstance(chosen, type(self)) or not len(chosen):
            raise InputError("A mean needs rows", expected="one row or more", received=repr(rows))
        errors = getattr(chosen, "mc_error", None)
        if errors is not None and not self.positions and not np.any(errors):
            return np.zeros(len(getattr(self, self.names)))
        if MOVES not in vars(chosen):
            raise InputError(
                "The error of a mean over rows is not known: all rows share their masks, and what groups of "
                "passes make of each row was not kept",
                expected="a result as `howsure.assess` gives it with keep='groups'",
                hint="howsure.assess(model, x, method=howsure.MCDropout(passes=200), keep='groups')",
            )
        moves = vars(chosen)[MOVES].mean(axis=0, dtype=np.float64)
        squared = np.sum(moves**2, axis=-1)
        least = ERROR_FLOOR if hasattr(self, "probabilities") else 0.0  # numbers may be of any size
        return np.asarray(np.maximum(np.sqrt(squared) * widening(moves.shape[-1]), least))

    def _row(self, index: int) -> OneRow:
        """The row at a position that exists, with the values of the columns and settings that it names."""
        names = {field.name for field in fields(self.row_type)}
        settings = {name: getattr(self, name) for name in self._setting_names() if name in names}
        row: OneRow = self.row_type(**self._cells(index, names), **settings, id=self._id(index))
        return row

    def with_truth(self, labels: Any) -> Self:
        """The same with true answers beside it, where this kind of answer keeps them.

        Args:
            labels: (N, …) as its column `truth` holds them; (N,) where that has one value for each row.

        Raises:
            InputError: It does not keep them, or they do not fit.
        """
        if not self.has("truth"):
            raise self._lacking("keeps no true answers", "no labels")
        return self._changed({"truth": self.numbered(labels)})

    def numbered(self, labels: Any) -> Any:
        """True answers, in any form that `with_truth` takes, as scores use them.

        A kind of which they are names, or numbers of classes, reads and checks these in a method of its own.

        Raises:
            InputError: They do not fit.
        """
        truth = as_array(aligned(labels, self), "The true answers")
        if truth.shape[:1] != (len(self),):
            raise InputError(
                "The true answers do not fit the rows",
                expected=f"{len(self)} of them",
                received=f"an array of shape {truth.shape}",
            )
        return self._one_each(truth)

    def _one_each(self, truth: NDArray[Any]) -> NDArray[Any]:
        """True answers (N,) as (N, 1) where there is one name, and a column for each name."""
        shape = next((column.shape for column in self.columns if column.name == "truth"), WIDE)
        one_name = truth.ndim == 1 and len(getattr(self, self.names)) == 1
        return np.reshape(truth, (-1, 1)) if one_name and shape == WIDE else truth

    @classmethod
    def from_passes(cls, passes: Any, *names: Any, **settings: Any) -> Any:
        """The result of passes that something else ran, for kinds that bring this.

        Raises:
            InputError: This kind does not.
        """
        others = [f"`{name}`" for name in dir(cls) if name.startswith("from_")]
        able = [name for name in others if name not in ("`from_passes`", "`from_table`")]
        raise cls._lacking("has no `from_passes`", " or ".join([*able, "`howsure.assess`"]))

    @classmethod
    def _lacking(cls, part: str, expected: str) -> InputError:
        """The error for a part that this kind of answer does not bring."""
        return InputError(f"A `{cls.__name__}` {part}", expected=expected)

    def _cells(self, index: int, names: Collection[str]) -> dict[str, Any]:
        """Values of the columns among `names` for one row."""
        columns = (column for column in self.columns if column.name in names)
        return {column.name: column.cell(getattr(self, column.name), index) for column in columns}

    def _id(self, index: int) -> int | str | None:
        """The caller's name for one row, or None."""
        ids: int | str | None = self._cells(index, {"ids"}).get("ids")
        return ids

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """One result of several that belong together, such as the blocks of `howsure.stream`.

        Maps that lie in files stay there.

        Args:
            parts: At least one, with the same settings; `version` may differ, and the first counts. Each part
                of an iterator goes when its columns are joined.

        Raises:
            InputError: None at all, parts of another type, or that differ in settings or optional columns.
        """
        parts = list(parts) if isinstance(parts, (Sequence, Iterator)) else []
        expected = f"one `{cls.__name__}` or more, all with the same `{cls.names}`"
        if not parts or not all(isinstance(part, cls) and type(part) is type(parts[0]) for part in parts):
            received = ", ".join(sorted({type(part).__name__ for part in parts})) or "none"
            raise InputError("These parts cannot be joined", expected=expected, received=received)
        if len(parts) == 1:
            return parts[0]
        most = max(parts, key=lambda part: len(part._arrays))
        parts = [part._with_columns_of(most) for part in parts]
        optional = " or ".join(
            f"`{column.name}`"
            for column in cls.columns
            if column.optional and column.stored and column.name != INDEX
        )
        if any(part._arrays.keys() - {INDEX} != parts[0]._arrays.keys() - {INDEX} for part in parts):
            raise InputError(
                "These parts cannot be joined",
                expected=f"all with {optional} or all without",
                received="both",
            )
        for name in parts[0]._setting_names():
            first = _as_json(getattr(parts[0], name))
            other = next((part for part in parts if _as_json(getattr(part, name)) != first), None)
            if other is not None and name != "version":
                raise InputError(
                    f"These parts cannot be joined: they differ in `{name}`",
                    expected=expected if name == cls.names else f"the same in all, such as {first:.100}",
                    received=_as_json(getattr(other, name))[:100],
                    hint="Assess their rows with one and the same plan" if name == "plan" else None,
                )
        shared = [name for name in parts[0]._arrays if all(name in part._arrays for part in parts)]
        columns = {name: [part._arrays[name] for part in parts] for name in shared}
        columns |= {name: _as_wide(columns[name]) for name in cls._of_networks() if name in columns}
        from_maps = [part._from_maps for part in parts]
        first_part = parts[0]
        del parts, most
        arrays: dict[str, Any] = dict.fromkeys(first_part._arrays)
        arrays |= {
            name: _joined_columns(columns.pop(name)) for name in list(columns)
        }  # frees each column soon
        return replace(first_part, **arrays)._knowing(_shared_from_maps(from_maps))

    def _with_columns_of(self, other: Self) -> Self:
        """The same with columns that another part has and this one lacks, where that says something."""
        sides = len(self), len(getattr(self, self.names)), self.positions
        lacking: dict[str, Any] = {
            column.name: np.full(column.sides(*sides), column.lacking)
            for column in self.columns
            if column.lacking is not None and column.name in other._arrays.keys() - self._arrays.keys()
        }
        return self._changed(lacking) if lacking else self

    def with_ids(self, ids: ArrayLike, name: str = ID) -> Self:
        """The same with the caller's names of the rows.

        Args:
            ids: (N,) texts or whole numbers; two rows may have the same.
            name: Name of their column in the table.

        Raises:
            InputError: Missing for some rows, of another kind or length, or a name that another column has.
        """
        if not self.has("ids"):
            raise self._lacking("keeps no ids", "a result with a column `ids`")
        return self._changed({"ids": without_index(aligned(ids, self, "The ids", "ids")), "id_name": name})

    # --- tables and files ---------------------------------------------------------------------

    def to_arrow(self, *, columns: str | Sequence[str] | None = None) -> pa.Table:
        """One row per input row; settings as JSON in the schema's metadata under the key `howsure`.

        Each class, label or number has columns of its own, such as `probabilities.cat`. No column holds
        lists.

        Args:
            columns: `all`, or the names of some: `["label", "mc_error"]`, where `mc_error` means all of its
                columns and `mc_error.cat` one. Default: those that most ask for.

        Raises:
            InputError: A name that no column has.
        """
        return self._table_of(self._in_table(columns))

    def _table_of(self, cells: Mapping[str, tuple[NDArray[Any], str]]) -> pa.Table:
        """A table of columns (N,) with their types, and the settings of the result."""
        import pyarrow as pa

        table = pa.table({name: to_arrow(*values) for name, values in cells.items()})
        settings = {
            "format": FORMAT,
            "answer": self.answer,
            **{name: _as_plain(getattr(self, name)) for name in self._setting_names()},
            **({INDEX: self._index_column} if INDEX in self._arrays else {}),
        }
        try:
            return table.replace_schema_metadata({METADATA_KEY: json.dumps(settings)})
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(
                f"The settings of the result cannot be written as JSON ({error})",
                expected="plain numbers, texts, lists and dicts in its `method` and `plan`",
            ) from error

    def _in_table(self, columns: str | Sequence[str] | None) -> dict[str, tuple[NDArray[Any], str]]:
        """The columns of the table by name, (N,) with their types; `columns` as of `to_arrow`."""
        left_out = {INDEX} - {self._index_column}
        cells = {
            column: self._cell_names(column, vars(self))
            for column in self.columns
            if column.in_table
            and column.name not in left_out
            and not (column.optional and getattr(self, column.name) is None)
        }
        by_name = {column.name: names for column, names in cells.items()}
        by_name |= {name: [name] for names in [*by_name.values()] for name in names}
        if "in_set" in by_name:
            by_name.setdefault(SET, [SET])  # unless the ids are called so
        if columns is None or columns == ALL_COLUMNS:
            usual = [column.name for column in cells if columns == ALL_COLUMNS or not column.on_demand]
            columns = [*usual, *({SET} & by_name.keys())]
        elif isinstance(columns, str) or not all(name in by_name for name in columns):
            raise InputError(
                "`columns` names a column that the table does not have",
                expected=f"{ALL_COLUMNS!r}, or a list of names: {listed([column.name for column in cells])}",
                received=repr(columns),
            )
        wanted = list(dict.fromkeys(name for chosen in columns for name in by_name[chosen]))
        places = {name: (column, k) for column, names in cells.items() for k, name in enumerate(names)}
        table = dict[str, tuple[NDArray[Any], str]]()
        for name in wanted:
            if name not in places:
                table[name] = np.array(sets_in_words(self, vars(self)["in_set"]), dtype=object), STRING
                continue
            column, k = places[name]
            values = getattr(self, column.name)
            table[name] = values.reshape(len(self), math.prod(values.shape[1:]))[:, k], column.type
        return table

    @property
    def _index_column(self) -> str:
        """The column that holds the index of the data frame: numbers or ids of the rows if they equal it."""
        for name in ("row", "ids"):
            if {name, INDEX} <= self._arrays.keys() and np.array_equal(
                self._arrays[name], self._arrays[INDEX]
            ):
                return name
        return INDEX

    @classmethod
    def _of_networks(cls) -> list[str]:
        """The columns of which parts may have different numbers of networks."""
        return [column.name for column in cls.columns if column.shape == WIDE_OF_NETWORKS]

    @classmethod
    def _setting_names(cls) -> list[str]:
        columns = {column.name for column in cls.columns}
        return [field.name for field in fields(cls) if field.name not in columns]

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """The settings that have a default, by name; files that were saved before there was one lack it."""
        defaults = dict[str, Any]()
        for field in fields(cls):
            if field.default is not MISSING:
                defaults[field.name] = field.default
            elif field.default_factory is not MISSING:
                defaults[field.name] = field.default_factory()
        return {name: defaults[name] for name in cls._setting_names() if name in defaults}

    def to_pandas(self, *, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """`to_arrow` as a pandas data frame, with the index of the data frame that the rows came from.

        So `frame["p"] = result.to_pandas()["probability"]` gives each row its own. Ids that are the index
        stand there alone. An index of dates, or of several levels, is the texts of `frame_index`.

        Args:
            columns: As there.

        Raises:
            DependencyError: pandas is not installed.
        """
        with needs("pandas", "`to_pandas`"):
            import pandas  # noqa: F401  # pyarrow would say so less clearly
        frame = self.to_arrow(columns=columns).to_pandas()
        if INDEX not in self._arrays:
            return frame
        index = {"row": None, "ids": self.id_name}.get(self._index_column, INDEX)
        frame = frame.drop(columns=index or [], errors="ignore").set_axis(self._arrays[INDEX])
        return frame.rename_axis(index if index == self.id_name else None)

    def save(self, path: str | os.PathLike[str], *, columns: str | Sequence[str] | None = None) -> None:
        """Write a table; an earlier file stays until the new one is complete.

        It is a Parquet file with the columns of `to_arrow`, and with checksums: `load` refuses a changed bit
        that changes what is read. One column of bytes, `howsure`, holds all else that `load` needs. With the
        ending `.csv` it is for other programs, and `load` does not read it. Maps of positions lie in a
        folder beside the table; see `howsure.results.saved`. A path without an ending, or of a folder, is
        the folder of both.

        Args:
            path: The file or folder.
            columns: As of `to_arrow`. Names of rows are always in a Parquet file.

        Raises:
            InputError: The path has another ending, or a name that no column has.
            FileError: The file cannot be written, for example because the disk is full.
        """
        place = check_path(path)
        if self._maps and (place.is_dir() or not place.suffix):
            with new_folder(place):
                save_sealed(self, place / TABLE, columns=columns)
            return
        if check_ending(place, TABLES, needed=False) == ".csv":
            from howsure.results.export import csv_lines, write_csv_file

            write_csv_file(csv_lines(self, columns), path)
        else:
            save_sealed(self, path, columns=columns)

    @property
    def _maps(self) -> dict[str, NDArray[Any]]:
        """The stored columns of positions that are there, by name."""
        maps = {column.name for column in self.columns if column.is_map}
        return {name: array for name, array in self._arrays.items() if name in maps}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file of `save`.

        Raises:
            FileError: The file is missing, damaged, or not a saved result of this type.
        """
        table = table_in(check_path(path))
        return cls.from_table(table, *read_table(table))

    @classmethod
    def from_table(
        cls,
        path: str | os.PathLike[str],
        table: pa.Table,
        settings: Mapping[str, Any],
        without: Collection[str] = (),
    ) -> Self:
        """The result whose table and settings these are, read from `path`, without some optional columns.

        Raises:
            FileError: The table is not complete, or of another type.
        """
        if settings.get("answer") != cls.answer:
            raise FileError(
                f"'{os.fspath(path)}' is not a saved {cls.__name__}",
                expected=f"answers of the kind '{cls.answer}'",
                received=repr(settings.get("answer")),
                hint="`howsure.load` reads whichever type a file holds",
            )
        with complete(path, cls.__name__):
            settings = cls._defaults() | dict(settings)
            values = {name: typed(types_of(cls)[name], settings[name], name) for name in cls._setting_names()}
            names = len(values[cls.names])
            known = unpacked(table, cls.columns, settings, without)
            for column in cls.columns:
                cells = cls._cell_names(column, values)
                if column.name in table.column_names:  # of lists, in files of format 4
                    cells = [column.name]
                needed = column.stored and not (column.optional or column.is_map)
                in_file = (column.stored or column.of_maps) and {*cells[:1]} & {*table.column_names}
                if column.name not in known and (needed or in_file):
                    known[column.name] = column.from_arrow([table[name] for name in cells], names)
            from_maps = [column for column in cls.columns if column.of_maps and column.name in known]
            of_maps = {
                column.name: column.checked(known.pop(column.name), (len(table),), names)
                for column in from_maps
            }
            arrays = known
            index = settings.get(INDEX)
            if index is not None:
                arrays[INDEX] = arrays[index]
            lie = Maps.of(settings)
            maps = {
                column.name: lie.read(path, column.name)
                for column in cls.columns
                if column.name in lie.checksums
            }
            if any(len(array) != len(table) for array in maps.values()):
                raise ValueError("its maps are of other rows")
            result = cls(**values, **arrays, **maps)
            result._check_maps()
            return result._knowing(of_maps)

    def _check_maps(self) -> None:
        """Raise an `InputError` for maps in files that hold what they cannot; few rows are read at a time."""
        names = len(getattr(self, self.names))
        rows = max(1, _READ_AT_A_TIME // max(1, math.prod(self.positions)))
        for start in range(0, len(self) if self._maps else 0, rows):
            part = self[start : start + rows]
            for column in self.columns:
                if column.name in part._maps:
                    values = np.array(part._maps[column.name])
                    part._checked_column(
                        column, values, column.sides(len(part), names, self.positions), names
                    )


def save_sealed(
    result: Result[Any],
    path: str | os.PathLike[str],
    beside: Mapping[bytes, bytes] = MappingProxyType({}),
    columns: str | Sequence[str] | None = None,
) -> None:
    """Write a result as a Parquet file with checksums; an earlier file stays until the new one is complete.

    Args:
        result: The result.
        path: The file.
        beside: Further entries of the file's metadata, by key.
        columns: As of `Result.to_arrow`.

    Raises:
        FileError: The file cannot be written.
    """
    import pyarrow.parquet as pq

    shown, hidden = result._in_table(columns), dict[Column, NDArray[Any]]()
    for column in result.columns:
        kept = (column.stored or column.of_maps) and not column.is_map
        values = getattr(result, column.name) if kept else None
        if values is None or (column.name == INDEX and result._index_column != INDEX):
            continue
        cells = result._cell_names(column, vars(result))
        if column.type == EITHER:
            shown |= result._in_table(cells)
        elif not cells or not {*cells} <= shown.keys():
            hidden[column] = values
    table = with_packed(result._table_of(shown), hidden)
    metadata, new = {**table.schema.metadata, **beside}, None
    place = check_place(path)
    if result._maps:
        new = write_maps(result._maps, place)
        metadata = with_settings(metadata, maps=asdict(new))
    table = with_digest(table.replace_schema_metadata(metadata))
    # A part of a file is read into one Arrow array, so it holds no more than one does.
    rows = min(_ROWS_AT_A_TIME, rows_at_a_time(len(getattr(result, result.names))))

    before = list[Maps | None]()

    def write(temporary: str) -> None:
        with open(temporary, "wb") as file:  # pyarrow takes no names that are not UTF-8
            pq.write_table(table, file, row_group_size=rows, write_page_checksum=True)
        before.append(maps_of(place))

    try:
        write_whole(path, write)
    except BaseException:
        if new is not None:
            new.remove(place)
        raise
    for earlier in filter(None, before):
        earlier.remove(place)


def _as_wide(arrays: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Networks (…, M) of several parts with the largest M of them all; NaN where a part has fewer."""
    most = max(array.shape[-1] for array in arrays)
    ends = ([(0, 0)] * (array.ndim - 1) + [(0, most - array.shape[-1])] for array in arrays)
    return [np.pad(array, end, constant_values=np.nan) for array, end in zip(arrays, ends, strict=True)]


def _joined_columns(maps: Sequence[NDArray[Any]]) -> Any:
    """Maps of several parts, one after the other; they stay in their files where they are all of these."""
    if len(maps) == 1:
        return maps[0]
    joined = joined_maps(maps)
    return adopted(np.concatenate(maps)) if joined is None else joined


def _shared_from_maps(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The columns that are known of all parts, one part after the other."""
    names = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _as_plain(setting: Any) -> Any:
    """A setting as JSON can hold it."""
    if is_dataclass(setting) and not isinstance(setting, type):
        return asdict(setting)
    return dict(setting) if isinstance(setting, Mapping) else setting


def _as_json(setting: Any) -> str:
    """A setting as it is written, so that one that was read again is the same; other values as they print."""
    return json.dumps(_as_plain(setting), default=repr)


def _own_array(array: NDArray[Any]) -> NDArray[Any]:
    """The array that a result keeps of one that was checked; maps in files stay there."""
    if not is_in_files(array):
        return own_copy(array, "The numbers")
    return read_only(array) if isinstance(array, np.memmap) else array


def _rows_at(array: NDArray[Any], rows: slice | NDArray[Any]) -> NDArray[Any]:
    """Some rows of an array that a result keeps: a view of it, or copied once."""
    chosen = array[rows]
    return chosen if isinstance(rows, slice) or is_in_files(chosen) else adopted(chosen)

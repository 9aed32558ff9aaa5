"""What is declared of each column is what classes, tables, rows and docs/words.md hold."""

import copy
import dataclasses
import inspect
import pickle
import re
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import howsure
from howsure.errors import InputError
from howsure.results.columns import (
    AT_LEVELS,
    FLOAT,
    INTEGER,
    PER_ROW,
    WIDE,
    WIDE_AT_LEVELS,
    WIDE_OF_NETWORKS,
    Column,
)
from howsure.results.result import Result
from howsure.sampling.between import LEVELS
from howsure.tasks.classification.result import Certainty
from howsure.tasks.classification.sentence import Row
from howsure.tasks.multilabel.result import MultilabelCertainty
from howsure.tasks.multilabel.sentence import MultilabelRow
from howsure.tasks.probabilities import OfProbabilities
from howsure.tasks.task import tasks
from tests.doors.cases import case_of
from tests.guard import check_none, check_same

WORDS = "docs/words.md"
GLOSSARY = (Path(__file__).parents[2] / WORDS).read_text(encoding="utf-8")
RESULTS = [answer.result_type for answer in tasks()]


def example():
    p = np.array([[0.98, 0.01, 0.01], [0.51, 0.46, 0.03], [0.2, 0.7, 0.1], [0.04, 0.0, 0.96]])
    return Certainty(
        *(p, 0.01 * np.sqrt(p * (1 - p)), np.array([0.05, 0.5, 0.3, 0.1])),
        passes=np.array([20, 20, 20, 1]),
        class_names=("zero", "six", "eight"),
        row=np.array([3, 1, 4, 5]),
        truth=np.array([0, 1, 1, 2]),
        familiarity=np.array([0.5, 0.01, 0.02, 1.0]),
        unfamiliar_share=0.015,
        kind="image",
    )


def several_labels():
    p = np.array([[0.98, 0.52, 0.01], [0.2, 0.97, 0.45]])
    return MultilabelCertainty(
        *(p, np.full(p.shape, 0.01), np.full(p.shape, 0.05)),
        passes=np.array([20, 40]),
        label_names=("rain", "wind", "snow"),
        row=np.array([3, 1]),
        truth=p > 0.5,
        ids=["a7", "b2"],
        id_name="customer",
        frame_index=["a7", "b2"],
        spread=np.full(p.shape, 0.1),
        spread_error=np.full(p.shape, np.nan),
        learnt_from=np.array([True, False]),
    )


def complete():
    """A `Certainty` with all that is optional."""
    found = example()
    quantiles = np.linspace(0.2, 0.9, len(LEVELS)) + 0.01 * np.arange(len(found))[:, None]
    return dataclasses.replace(
        found,
        ids=np.array([70, 10, 80, 90]),
        id_name="customer",
        frame_index=np.array([7, 1, 8, 9]),
        spread=np.full(found.probabilities.shape, 0.1),
        spread_error=np.full(found.probabilities.shape, 0.02),
        quantiles=quantiles,
        quantiles_error=np.full(quantiles.shape, 0.03),
        learnt_from=np.array([True, False, False, True]),
    )


EXAMPLES = {Certainty: complete, MultilabelCertainty: several_labels} | {
    answer.result_type: lambda kind=answer.name: case_of(kind).result
    for answer in tasks()
    if answer.name not in ("classes", "labels")
}


def file_of(result):
    """The file that declares the columns of a result."""
    return Path(inspect.getsourcefile(result)).relative_to(Path(__file__).parents[2])


def flowing(text):
    """A text without line breaks, and without links in parentheses."""
    return " ".join(re.sub(r" \(\[[^]]*\]\([^)]*\)\)", "", text).split())


@pytest.mark.parametrize("result", RESULTS)
def test_the_stored_columns_are_fields_and_the_others_follow(result):
    fields = {each.name: each for each in dataclasses.fields(result)}
    names = [column.name for column in result.columns]
    open = f"{file_of(result)}: `COLUMNS`, and the fields of `{result.__name__}`"
    check_none({name for name in names if names.count(name) > 1}, "columns are declared twice", open=open)
    stored = {column.name: column for column in result.columns if column.stored}
    check_none(stored.keys() - fields.keys(), "columns are stored, and no fields", open=open)
    check_none(fields.keys() & {*names} - stored.keys(), "fields are columns that are not stored", open=open)
    needed = {name for name in stored if fields[name].default is dataclasses.MISSING}
    declared = {name for name, column in stored.items() if column.default is None and not column.optional}
    where = {"found_in": "the fields without a default", "expected_in": "the columns that have to be given"}
    check_same(needed, declared, **where, open=open)
    arrays = {name for name, field in fields.items() if "NDArray" in field.type or "Floats" in field.type}
    check_none(arrays - {*names}, "fields are arrays, and no columns", open=open)


@pytest.mark.parametrize("result", [Certainty, MultilabelCertainty])
def test_the_docstrings_say_what_is_declared(result):
    """Those of labels refer to `Certainty` for columns that say the same."""
    text = flowing(inspect.getdoc(result))
    in_classes = {column.name: column.words for column in Certainty.columns if column.stored}
    wrong = []
    for column in result.columns:
        if column.stored:
            as_of_classes = result is not Certainty and in_classes.get(column.name) == column.words
            if not as_of_classes and f"{column.name}: {column}" not in text:
                wrong.append(f"{column.name}: {column}")
        else:
            said = flowing(inspect.getdoc(inspect.getattr_static(result, column.name, None)) or "")
            shared = column.name in vars(OfProbabilities) and column.name not in vars(result)
            shape = "(N,) or (N, K)" if shared else column.shape
            if not said.startswith(f"{shape} {column.unit}, {column.words}"):
                wrong.append(f"{column.name}: {shape} {column.unit}, {column.words}")
    open = f"{file_of(result)}: a stored column stands under `Attributes:`, another one is a property"
    check_none(wrong, "words of `COLUMNS` are not what the docstring says", open=open)


@pytest.mark.parametrize("result", RESULTS)
def test_values_have_the_declared_shape_and_type(result):
    found = EXAMPLES[result]()
    for column in result.columns:
        values = getattr(found, column.name)
        if values is None:
            assert column.optional or not column.stored, column.name
            continue
        names = len(getattr(found, found.names))
        if column.shape != WIDE_OF_NETWORKS:
            assert values.shape == column.sides(len(found), names, found.positions), column.name
        told = re.fullmatch(r"(\S+) to (\S+)|at least (\S+)", column.unit)
        if told and not np.isnan(values).all():
            least, most = float(told[1] or told[3]), float(told[2] or np.inf)
            assert least <= np.nanmin(values) <= np.nanmax(values) <= most + 0.005, column.name
        kind = {"string": "UO", "int64 or string": "iUO", "bool": "b"}.get(column.type, column.type[0])
        assert values.dtype.kind in kind, column.name
        assert getattr(found[:0], column.name).shape == (0, *values.shape[1:])


NO_COLUMNS = {
    "DenseCertainty": [
        *("is_coin_flip", "is_sure", "mean_mutual_information", "probabilities", "verdict_number"),
    ],
    "RegressionCertainty": ["unfamiliar"],
}
"""Arrays with an entry for each row that are computed where they are asked for, and are no columns."""


@pytest.mark.parametrize("result", RESULTS)
def test_what_has_an_entry_for_each_row_is_declared(result):
    found, declared = EXAMPLES[result](), {column.name for column in result.columns}
    computed = [
        name
        for name in dir(result)
        if not name.startswith("_")
        and isinstance(inspect.getattr_static(result, name), (property, cached_property))
        and name not in declared
    ]
    values = {name: getattr(found, name) for name in computed}
    arrays = {name: each for name, each in values.items() if isinstance(each, np.ndarray)}
    check_same(
        [name for name, each in arrays.items() if len(each) == len(found)],
        NO_COLUMNS.get(result.__name__, []),
        found_in=f"the properties of `{result.__name__}` with an entry for each row",
        expected_in="`NO_COLUMNS`",
        open=f"{file_of(result)} and declare it in `COLUMNS`, or add it to `NO_COLUMNS` of this test",
    )


def test_the_glossary_names_the_columns_that_no_saved_table_has():
    (told,) = re.findall(r"(`disagreement`, .*)\s+are not in the saved table", GLOSSARY)
    check_same(
        re.findall(r"`(\w+)`", told),
        [column.name for column in Certainty.columns if not column.in_table],
        found_in='the line "… are not in the saved table"',
        expected_in="the columns with `in_table=False`",
        open=WORDS,
    )


@pytest.mark.parametrize("result", RESULTS)
def test_the_table_has_the_declared_columns_in_their_order(result):
    found = EXAMPLES[result]()
    table = found.to_arrow(columns="all")
    known = [each for each in result.columns if each.in_table and getattr(found, each.name) is not None]
    if np.array_equal(found.ids, found.frame_index):
        known = [each for each in known if each.name != "frame_index"]
    names, levels = getattr(found, found.names), [f"{level:g}" for level in LEVELS]
    ends = {WIDE: [f".{name}" for name in names], AT_LEVELS: [f".{level}" for level in levels]}
    ends[WIDE_AT_LEVELS] = [f".{name}.{level}" for name in names for level in levels]
    declared = {
        (found.id_name if each.name == "ids" else each.name) + end: (each, k)
        for each in known
        if each.shape != WIDE_OF_NETWORKS
        for k, end in enumerate(ends.get(each.shape, [""]))
    }
    assert table.column_names == [*declared]
    types = {"float64": ["double"], "int64 or string": ["int64", "string"]}
    for name, (column, k) in declared.items():
        assert str(table.schema.field(name).type) in types.get(column.type, [column.type])
        values = getattr(found, column.name).reshape(len(found), -1)
        np.testing.assert_equal(table[name].to_pylist(), values[:, k].tolist())
    usual = [name for name, (column, _) in declared.items() if not column.on_demand]
    assert found.to_arrow().column_names == usual
    last = [name for name, (column, _) in declared.items() if column is known[-1]]
    assert found.to_arrow(columns=[known[-1].name, last[0], "row"]).column_names == [*last, "row"]
    for wrong in ("few", ["row", "few"], "row"):
        with pytest.raises(InputError, match="`columns` names a column that the table does not have"):
            found.to_arrow(columns=wrong)


def test_the_table_of_ten_classes_has_at_most_forty_columns(tmp_path):
    """With all that can stand beside them; and in Parquet no column needs howsure to be read."""
    passes = np.random.default_rng(0).dirichlet(np.ones(10), size=(40, 6))
    found = Certainty.from_passes(passes, [str(digit) for digit in range(10)])
    found = dataclasses.replace(
        found,
        ids=[f"row {n}" for n in range(6)],
        frame_index=np.arange(6) + 1,
        truth=np.arange(6),
        familiarity=np.ones(6),
        learnt_from=np.zeros(6, dtype=bool),
        hand_over=np.zeros(6, dtype=bool),
        in_set=found.probabilities > 0.1,
    )
    found.save(tmp_path / "digits.parquet")
    found.save(tmp_path / "digits.csv")
    schema = pq.read_schema(tmp_path / "digits.parquet")
    assert schema.names == [*found.to_arrow().column_names, "howsure"]
    assert (tmp_path / "digits.csv").read_text().split("\n")[0].split(",") == schema.names[:-1]
    assert len(schema.names) <= 40
    assert {f"probabilities.{digit}" for digit in range(10)} < {*schema.names}
    assert found.to_arrow()["set"].to_pylist()[0].startswith(f"{{{found.label_name[0]}")
    assert {str(kind) for kind in schema.types[:-1]} <= {"int64", "string", "double", "bool"}
    assert found.probability_error.tolist() == [
        found.mc_error[row, label] for row, label in enumerate(found.label)
    ]
    loaded = howsure.load(tmp_path / "digits.parquet")
    found.save(tmp_path / "few.parquet", columns=["label_name", "mc_error.7"])
    few = pq.read_schema(tmp_path / "few.parquet").names
    assert few == ["label_name", "mc_error.7", "id", "frame_index", "howsure"]
    for other in (loaded, howsure.load(tmp_path / "few.parquet")):
        for column in found.columns:
            values = getattr(other, column.name)
            np.testing.assert_array_equal(values, getattr(found, column.name), column.name)


@pytest.mark.parametrize("name", ["classes", "labels", "numbers", "quantiles"])
def test_files_with_columns_of_lists_are_read(name):
    """They were written before each class had a column; `expected.npz` holds their arrays."""
    folder = Path(__file__).parent / "format4"
    found = howsure.load(folder / f"{name}.parquet")
    with np.load(folder / "expected.npz") as expected:
        arrays = {key.split(".")[1]: expected[key] for key in expected if key.split(".")[0] == name}
    assert {*arrays} == {*found._arrays}
    for column, values in arrays.items():
        np.testing.assert_array_equal(getattr(found, column), values, column)


@pytest.mark.parametrize("result", RESULTS)
def test_a_data_frame_holds_the_table(result):
    pytest.importorskip("pandas", reason="pandas is not installed")
    found = EXAMPLES[result]()
    frame = found.to_pandas()
    index = found.id_name if np.array_equal(found.ids, found.frame_index) else "frame_index"
    index = "" if found.frame_index is None else index
    assert list(frame.columns) == [name for name in found.to_arrow().column_names if name != index]
    assert frame.index.tolist() == (found.frame_index.tolist() if index else [*range(len(found))])
    np.testing.assert_array_equal(frame["row"], found.row)
    assert len(found[:0].to_pandas()) == 0


@pytest.mark.parametrize("travel", [lambda c: pickle.loads(pickle.dumps(c)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("result", RESULTS)
def test_copies_are_the_same_and_read_only(result, travel):
    found = EXAMPLES[result]()
    for each in (found, travel(found)):
        for column in result.columns:
            values = getattr(each, column.name)
            np.testing.assert_array_equal(values, getattr(found, column.name), column.name)
            assert values is None or not values.flags.writeable, column.name


@pytest.mark.parametrize(
    ("result", "row", "others"),
    [
        (Certainty, Row, {"class_names", "thresholds", "kind", "method", "id", "id_name"}),
        (MultilabelCertainty, MultilabelRow, {"label_names", "kind", "method", "id", "id_name"}),
    ],
)
def test_what_a_row_shares_with_the_columns_is_their_value(result, row, others):
    certainty = EXAMPLES[result]()
    names = {each.name for each in dataclasses.fields(row)}
    shared = names & {column.name for column in result.columns}
    assert names - shared == others
    for position, row in enumerate(certainty):
        for name in shared:
            value = getattr(row, name)
            np.testing.assert_array_equal(value, getattr(certainty, name)[position])
            assert value is None or isinstance(value, (int, float, str, np.ndarray))
            assert isinstance(value, np.ndarray) or not isinstance(value, np.generic), name


@pytest.mark.parametrize("result", RESULTS)
def test_the_glossary_shows_shape_and_unit_of_each_column(result):
    shown = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", GLOSSARY.replace("\\*", "*"), re.MULTILINE)
    others = {column.name for column in Certainty.columns if result is not Certainty}
    own = {c.name: f"{c.shape} {c.unit}" for c in result.columns if c.name not in others}
    wrong = [f"`{name}` | {told}" for name, told in own.items() if (name, told) not in shown]
    check_none(wrong, "are not the first two cells of a row", open=f'{WORDS}, table "Columns of a result"')


@pytest.mark.parametrize("result", RESULTS)
def test_the_range_that_a_unit_tells_is_the_one_that_is_checked(result):
    for column in result.columns:
        told = re.fullmatch(r"(\S+) to (\S+)", column.unit)
        if told and column.stored:
            assert [f"{end:.3g}" for end in (column.least, column.most)] == [*told.groups()], column.name


def test_the_largest_error_that_is_told_is_that_of_two_passes_which_contradict_each_other():
    found = Certainty.from_passes(np.array([[[0.0, 1.0]], [[1.0, 0.0]]]))
    (told,) = (column.unit for column in Certainty.columns if column.name == "mc_error")
    assert told == f"0 to {found.mc_error.max():.3g}"
    with pytest.raises(InputError, match="mc_error"):
        dataclasses.replace(found, mc_error=found.mc_error + 0.01)


@dataclasses.dataclass(frozen=True, eq=False)
class Heights(Result):
    """A result without verdicts."""

    metres: np.ndarray
    row: np.ndarray
    names_of_heights: tuple[str, ...]
    columns = (
        Column("row", PER_ROW, INTEGER, "from 0", "number of the row"),
        Column("metres", WIDE, FLOAT, "m", "heights"),
    )
    names = "names_of_heights"
    answer = "heights"


def test_a_result_without_thresholds_is_saved_and_read(tmp_path):
    Heights(np.array([[1.5, 2.5]]), np.array([7]), ("left", "right")).save(tmp_path / "heights.parquet")
    found = Heights.load(tmp_path / "heights.parquet")
    assert found.metres.tolist() == [[1.5, 2.5]]
    assert (found.row.tolist(), found.names_of_heights) == ([7], ("left", "right"))

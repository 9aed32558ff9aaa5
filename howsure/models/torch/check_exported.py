"""Check the contents of an exported program before PyTorch opens it.

PyTorch unpickles anything in a `.pt2` file, evaluates its sizes as Python, compiles its guards and names into
source code, and loads its libraries. This module compares each part with what `torch.export.save` writes for
a graph with weights. PyTorch then gets a copy that contains only those parts.

    models/NAME.json             the graph: texts that cannot call anything, sizes and guards that are
                                 arithmetic, operators of PyTorch
    data/weights, data/constants tensors as plain bytes
    data/sample_inputs/NAME.pt   a pickle that `weights_only` reads
    serialized_….json and .pt    the same of PyTorch 2.7 and before
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from howsure.errors import FileError, ModelError

_COPIED = re.compile(
    r"archive_format|archive_version|version|byteorder|\.data/\w+|\.format_version|\.storage_alignment"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
)
_GRAPHS = re.compile(r"models/[\w.-]+\.json|serialized_exported_program\.json")
_PICKLES = re.compile(
    r"data/(weights|constants|sample_inputs)/[\w.-]+\.pt|serialized_(state_dict|constants|example_inputs)\.pt"
)
_TABLES = re.compile(r"data/(weights/[\w.-]+_weights|constants/[\w.-]+_constants)_config\.json")
_LEFT_OUT = re.compile(r"(data/extra|extra_files)/.*")
"""Further files that a user stored with the program; howsure does not need them."""

_TEXT = re.compile(r"[\w.,:+> -]*")
"""Names, `einsum` equations, versions: text that can call nothing, wherever PyTorch uses it."""

_OPERATORS = re.compile(
    r"torch\.ops\.(aten|prims|torchvision|quantized_decomposed)\.(?!from_file\b|save\b|load\b)\w+\.\w+"
    r"|torch\.ops\.higher_order\.(cond|while_loop|map_impl|map|scan|associative_scan|invoke_subgraph"
    r"|wrap_with_set_grad_enabled|wrap_with_autocast|flex_attention)"
    r"|torch\.sym_\w+|_operator\.\w+|math\.\w+"
)
_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")

_FUNCTIONS = re.compile(
    "Symbol|Integer|Float|Rational|Add|Mul|Pow|Mod|Min|Max|Abs|floor|ceiling|log|exp|sqrt|Piecewise|And|Or|Not"
    "|Eq|Ne|Lt|Le|Gt|Ge|Equality|Unequality|LessThan|StrictLessThan|GreaterThan|StrictGreaterThan|FloorDiv"
    "|ModularIndexing|Where|PythonMod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|LShift|RShift|PowByNatural|FloatPow"
    "|FloatTrueDiv|IntTrueDiv|IsNonOverlappingAndDenseIndicator|TruncToFloat|TruncToInt|RoundToInt|RoundDecimal"
    "|ToFloat|Identity|min|max|abs|round"
)
_ATTRIBUTES = re.compile("size|stride|storage_offset|shape|ndim|dim|isnan|inf|floor|ceil|trunc|sqrt|pow|fmod")
_ARITHMETIC = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Name, ast.Tuple),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)


@contextlib.contextmanager
def checked(file: Path) -> Iterator[Path]:
    """A temporary copy of a `.pt2` file that contains only a graph and tensors.

    Args:
        file: The original file.

    Raises:
        ModelError: A part of it could run code.
        FileError: It is compressed; PyTorch never writes it so.
    """
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(file) as given:
        copy = Path(folder) / "program.pt2"
        entries = [entry for entry in given.infolist() if not entry.is_dir()]
        if len({entry.filename for entry in entries}) < len(entries):
            raise FileError(f"'{file}' holds two parts of the same name", expected="parts of different names")
        with zipfile.ZipFile(copy, "w") as kept:
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise FileError(
                        f"'{file}' is compressed", expected="an archive as torch.export.save writes it"
                    )
                with given.open(entry) as part, kept.open(entry.filename, "w", force_zip64=True) as place:
                    _keep(part, place, entry.filename, file)
        yield copy


def _keep(part: Any, place: Any, name: str, file: Path) -> None:
    """Copy one part of the archive if its kind is known."""
    known = name if name.startswith("serialized_") or "/" not in name else name.partition("/")[2]
    if _COPIED.fullmatch(known):
        while chunk := part.read(2**24):
            place.write(chunk)
    elif _GRAPHS.fullmatch(known) or _TABLES.fullmatch(known):
        content = json.loads(part.read())
        reason = _reason(content) if _GRAPHS.fullmatch(known) else _reason_in_table(content)
        if reason is not None:
            raise _wants_to_run_code(file, f"{reason} in '{name}'")
        place.write(json.dumps(content).encode())
    elif _PICKLES.fullmatch(known):
        content = part.read()
        if content and not _is_plain_pickle(content):
            raise _wants_to_run_code(file, f"a pickle of more than tensors in '{name}'")
        place.write(content)
    elif not _LEFT_OUT.fullmatch(known):
        raise _wants_to_run_code(file, f"'{name}', which is no part of a graph with weights")


def _wants_to_run_code(file: Path, received: str) -> ModelError:
    """The error for a file that is opened only if the user trusts it."""
    return ModelError(
        f"'{file}' could run code of its own when it is opened, and was not",
        expected="a graph of PyTorch's operators and tensors",
        received=received,
        hint="If you trust where it comes from, say so with --allow-code, or load it yourself in Python with "
        "torch.export.load and pass its module() to howsure.assess",
    )


def _is_plain_pickle(content: bytes) -> bool:
    """True if PyTorch can read it with `weights_only`; otherwise PyTorch would unpickle it unsafely."""
    try:
        with warnings.catch_warnings(action="ignore"):
            torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # PyTorch may raise anything for unreadable files
        return False
    return True


def _reason_in_table(content: Any) -> str | None:
    """Why a table of tensors must not be opened, or None."""
    for entry in content["config"].values():
        if entry.get("use_pickle") or not re.fullmatch(r"(weight|tensor)_\d+", str(entry.get("path_name"))):
            return f"a pickled object, '{entry.get('path_name')}',"
    return _reason(content)


def _reason(content: Any) -> str | None:
    """Why a graph's JSON must not be opened, or None; removes metadata that only people read."""
    if isinstance(content, str):
        return None if _TEXT.fullmatch(content) else f"the text {content[:80]!r}"
    if isinstance(content, list):
        return next(filter(None, map(_reason, content)), None)
    if not isinstance(content, dict):
        return None
    for key, value in content.items():
        if key == "metadata" and ("target" in content or "graph" in content):
            content[key] = {}
        elif key in _RULES and isinstance(value, str):
            if not _RULES[key](value):
                return f"{key} {value[:80]!r}"
        elif key == "guards_code" and isinstance(value, list):
            guard = next((each for each in value if not is_arithmetic(each)), None)
            if guard is not None:
                return f"the guard {guard[:80]!r}"
        elif key == "range_constraints" and isinstance(value, dict):
            name = next((each for each in value if not is_arithmetic(each)), None)
            if name is not None:
                return f"the size {name[:80]!r}"
        else:
            reason = _reason(key) or _reason(value)
            if reason is not None:
                return reason
    return None


def is_arithmetic(text: str) -> bool:
    """True if a text is arithmetic of sizes only, without other calls or names."""
    if re.search(r"[\n\r#\\]", text):  # PyTorch removes line breaks, and a line break may end a comment
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    texts: set[ast.AST] = set()
    for node in ast.walk(tree):  # a parent comes before the text inside it
        if isinstance(node, ast.Call):
            known = not isinstance(node.func, ast.Name) or _FUNCTIONS.fullmatch(node.func.id)
            is_symbol = isinstance(node.func, ast.Name) and node.func.id == "Symbol"
            if not known or not isinstance(node.func, (ast.Name, ast.Attribute)):
                return False
            texts.update(node.args if is_symbol else ())
        elif isinstance(node, ast.Subscript):
            texts.add(node.slice)
        elif isinstance(node, ast.Attribute):
            if not _ATTRIBUTES.fullmatch(node.attr):
                return False
        elif isinstance(node, ast.Constant):
            is_text = isinstance(node.value, str) and node in texts and re.fullmatch(r"[\w.]*", node.value)
            if not is_text and not isinstance(node.value, (bool, int, float)):
                return False
        elif not isinstance(node, (*_ARITHMETIC, ast.keyword)):
            return False
    return True


def _is_tree(text: str) -> bool:
    """True if the structure of inputs or outputs consists of plain containers."""
    return _are_containers(json.loads(text)[1])


def _are_containers(tree: Any) -> bool:
    if tree["type"] not in _CONTAINERS:
        return False
    context = tree["context"]
    keys = (json.loads(context) if isinstance(context, str) else context) or []
    are_names = all(isinstance(key, (str, int)) and _reason(key) is None for key in keys)
    return are_names and all(map(_are_containers, tree["children_spec"]))


def _is_operator(text: str) -> bool:
    return _OPERATORS.fullmatch(text) is not None


def _is_name(text: str) -> bool:
    return re.fullmatch(r"\w*", text) is not None


_RULES = {
    "expr_str": is_arithmetic,
    "in_spec": _is_tree,
    "out_spec": _is_tree,
    "target": _is_operator,
    "as_operator": _is_operator,
    "name": _is_name,
    "as_name": _is_name,
}
"""Checks by key, for values that need not be plain text."""

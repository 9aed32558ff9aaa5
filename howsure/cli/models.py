"""Commands that load a model, and those about a model alone, `audit` and `export`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import howsure
from howsure.adapters.factory import is_factory
from howsure.adapters.resolve import resolve_model
from howsure.assess import planned
from howsure.atomic import FITTED, GRAPHS
from howsure.cli.command import Command, check_exist, check_output
from howsure.cli.settings import FILES, MODELS, PASSES, VERDICTS
from howsure.divide import check_divisor, divided
from howsure.errors import InputError, ModelError
from howsure.evaluation.rules import read_rules
from howsure.inputs.csv_files import CsvForm
from howsure.inputs.label_files import LabelFile, LabelFolder, read_label_file
from howsure.inputs.rows import Array, Rows
from howsure.inputs.tables import Roles
from howsure.methods.mc_dropout import MCDropout
from howsure.scale.work import ModelSource
from howsure.terminal import progress, say

WEIGHTS = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
"""Endings of files with weights."""

_UNTRAINED = (
    "its weights (--set weights=FILE; of another member --set members=FILE), or a function that loads them"
)


@dataclass(frozen=True, kw_only=True)
class ModelCommand(Command):
    """A command that loads a model.

    Attributes:
        model: A Keras model (.keras, or legacy .h5); a PyTorch module (package.module:function that makes
            it); or, with --allow-code, a scikit-learn model (.joblib).
        id_column: Column with the id of each row in a {columns} file, if it is not called id.
        seed: Seed of the random masks. The same seed gives the same passes.
        allow_code: Let the model file run its own code. Use this only if you trust it.
    """

    model: Path
    id_column: str | None = None
    seed: int = 0
    allow_code: bool = False

    @cached_property
    def sources(self) -> list[ModelSource]:
        """The model and the members of its ensemble. A member may be a file of weights for the same function.

        Raises:
            InputError: Weights are given for a file.
            FileError: A file is missing.
        """
        check_divisor(self.settings.divide_by)
        weights = self.settings.weights
        if weights is not None and not is_factory(self.model):
            raise InputError(
                "`weights` needs a function that makes the module",
                expected="package.module:function as the model",
                received=str(self.model),
            )
        sources = [ModelSource(self.model, weights, self.allow_code)]
        for path in self.settings.members:
            alike = is_factory(self.model) and path.suffix.lower() in WEIGHTS
            model, weights = (self.model, path) if alike else (path, None)
            sources.append(ModelSource(model, weights, self.allow_code))
        return sources

    @cached_property
    def model_files(self) -> list[Path]:
        """The files of models and weights; a `FileError` if one is missing."""
        files = list[Path]()
        for source in self.sources:
            path = None if is_factory(source.path) else source.path
            files += check_exist(model=path, file_of_weights=source.weights)
        return files

    def form_of(self, data: Path, labels: Path | None = None) -> tuple[Roles, CsvForm]:
        """The roles of the columns of rows, and the form of csv files."""
        return self.settings.roles(data, labels, self.id_column), self.settings.csv_form(data, labels)

    def check_rows(self, data: Path | None, needed_by: Sequence[str]) -> None:
        """Raise an `InputError` if there are no rows, and a setting needs them."""
        unused = [name for name in self.settings.given if name in needed_by]
        if data is None and unused:
            raise InputError(f"`{unused[0]}` has no effect without rows", expected="--data ROWS")


@dataclass(frozen=True, kw_only=True)
class RowsCommand(ModelCommand):
    """A command that runs rows through a model, which may have true answers.

    Attributes:
        report: HTML page to write, .html.
        labels: File with the true classes or numbers, {answers}; or, for a class of each pixel, a folder
            of .png files named like the images.
        class_names: Names of the classes, labels or numbers in the order of the model's outputs: a,b,c, or a
            file.
    """

    data: Path
    report: Path | None = None
    labels: Path | None = None
    class_names: str | None = None

    def label_file(self, names: Sequence[str] | None, id_name: str | None = None) -> LabelFile | LabelFolder:
        """The file of labels.

        Args:
            names: Names of the classes, labels or numbers, if they are known.
            id_name: Name of the column of ids.

        Raises:
            HowsureError: It cannot be read.
        """
        column, form = self.settings.label_column, self.settings.csv_form(self.data, self.labels)
        return read_label_file(self.labels or "", column=column, id_column=id_name, names=names, form=form)

    def labels_of(self, rows: Rows, names: Sequence[str] | None) -> Array:
        """The labels of rows in the file of labels; an `InputError` if it holds labels of other rows."""
        return np.asarray(self.label_file(names, rows.id_name).of(rows))


def load_model(source: ModelSource, errors: Console) -> Any:
    """Load a model, and show that it takes time."""
    with progress(errors, "Loading", waiting=source.path.name):
        return source.load(check=_UNTRAINED)


@dataclass(frozen=True, kw_only=True)
class AuditCommand(ModelCommand):
    """Show which layers of a model are random, which stay fixed, and what a pass costs.

    Attributes:
        data: Rows for a plan of the masks: howsure tries passes on a few of them.
        save_plan: File to write the plan to, .json, for `assess --plan`. Needs --data.
    """

    places = ("model",)
    takes = (*PASSES, "precision")

    data: Path | None = None
    save_plan: Path | None = None

    def run(self) -> bool:
        """Print the audit, and write the plan."""
        settings, request = self.settings, self.settings.request(None, self.seed)
        inputs = [*self.model_files, *check_exist(data=self.data)]
        self.check_rows(self.data, (*FILES, "divide_by", "batch_size", "precision"))
        if self.save_plan is not None:
            if self.data is None:
                raise InputError("--save-plan needs rows for the plan", expected="--data with --save-plan")
            check_output(self.save_plan, FITTED, inputs)
        method, plan, x = MCDropout(**settings.options), None, None
        if self.data is not None:
            roles, form = self.form_of(self.data)
        network = resolve_model(load_model(self.sources[0], self.errors))
        if self.data is not None:
            x = divided(network.read(self.data, roles=roles, form=form).x, settings.divide_by, network)
            with progress(self.errors, "Planning", waiting="compiling, and passes over a few rows"):
                plan = planned(network, x, method, request, settings.precision)
        wished = request.arguments_of(howsure.audit)
        try:
            audit = howsure.audit(network, x, plan=plan, keep_off=method.keep_off, **wished)
        except (InputError, ModelError) as error:
            if x is not None:
                raise
            hint = "Give rows that fit: --data ROWS. Without these, howsure makes some up"
            raise error.told_of(f"The audit of '{self.model}'", hint) from error
        say(self.console, str(audit))
        if plan is not None and self.save_plan is not None:
            plan.save(self.save_plan)
        return True


@dataclass(frozen=True, kw_only=True)
class Export(ModelCommand):
    """Write a model and its certainty as an ONNX graph, which runs without howsure and the model.

    Attributes:
        out: ONNX file to write, .onnx.
        plan: Plan in float32 from `howsure audit --save-plan`. Without it, --data makes one.
        data: Rows on which to check the graph. Without them, howsure makes some up.
        calibrator: Calibrator that `Calibrator.save` wrote, which the graph then applies.
        familiarity: Familiarity that Python saved, by which the graph then tells how familiar rows are.
        rules: Rules of `howsure rules`, fitted to what the graph says. MODEL may then be the graph itself.
        class_names: Names of the classes, labels or numbers in their order: a,b,c, or a file.
    """

    places = ("model", "out")
    takes = (*MODELS, *VERDICTS, "target_error")

    out: Path
    plan: Path | None = None
    data: Path | None = None
    calibrator: Path | None = None
    familiarity: Path | None = None
    rules: Path | None = None
    class_names: str | None = None

    def run(self) -> bool:
        """Write the graph, and say how it compares."""
        settings = self.settings
        if self.plan is None and self.data is None and self.model.suffix not in GRAPHS:
            raise InputError("A graph needs a plan", expected="--plan, or --data to make one from")
        self.check_rows(self.data, FILES)
        inputs = check_exist(
            plan=self.plan,
            data=self.data,
            calibrator=self.calibrator,
            familiarity=self.familiarity,
            rules=self.rules,
        )
        check_output(self.out, GRAPHS, [*self.model_files, *inputs])
        plan = None if self.plan is None else howsure.Plan.load(self.plan)
        calibrator = None if self.calibrator is None else howsure.Calibrator.load(self.calibrator)
        familiarity = None if self.familiarity is None else howsure.Familiarity.load(self.familiarity)
        rules = None if self.rules is None else read_rules(self.rules)
        request = settings.request(self.class_names, self.seed)
        network, x = resolve_model(load_model(self.sources[0], self.errors)), None
        if self.data is not None:
            roles, form = self.form_of(self.data)
            x = network.read(self.data, roles=roles, form=form).x
        with progress(self.errors, "Exporting", waiting="looking at the model") as report:
            exported = howsure.export(
                network,
                self.out,
                plan=plan,
                x=x,
                target_error=settings.options.get("target_error"),
                calibrator=calibrator,
                familiarity=familiarity,
                rules=rules,
                divide_by=settings.divide_by,
                progress=lambda step: report(None, step),
                **request.arguments_of(howsure.export),
            )
        say(self.console, str(exported))
        return True

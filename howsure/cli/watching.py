"""The command that watches whether the promise of rules holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import howsure
from howsure.atomic import FITTED, PAGES
from howsure.cli.command import check_output
from howsure.cli.settings import TABLES
from howsure.cli.tables import TableCommand
from howsure.errors import InputError
from howsure.evaluation.rules import read_rules
from howsure.evaluation.watch import read_watch
from howsure.results.origin import DECIDED
from howsure.terminal import paragraph, say


@dataclass(frozen=True, kw_only=True)
class WatchCommand(TableCommand):
    """Say whether the promise of rules still holds, row after row; exit code 1 if it is broken.

    Attributes:
        table: The rows since the last call, as the model gave them or as the rules decided them.
        rules: The rules, .json.
        state: File from which the watch goes on, .json; without one it begins with these rows.
        report: HTML page with the course of the watch to write, .html.
    """

    takes = TABLES
    also = "rules"

    rules: Path
    state: Path | None = None
    report: Path | None = None

    def run(self) -> bool:
        """Go on with the rows of the table, and write the state; False on an alarm."""
        self.check(self.state, FITTED)
        check_output(self.report, PAGES, self.files)
        rules = read_rules(self.rules)
        goes_on = self.state is not None and self.state.exists()
        watch = read_watch(self.state) if self.state is not None and goes_on else howsure.watch(rules)
        if watch.rules.mark != rules.mark:
            raise InputError(
                f"'{self.state}' watches other rules than those in '{self.rules}'",
                expected=f"the rules '{watch.rules.mark}'",
                received=f"the rules '{rules.mark}'",
                hint="Give another --state, in which a new watch begins",
            )
        for part in self.parts():
            rows = self.converted(part)
            watch.update(rows if DECIDED in rows.method else rules(rows))
        if self.state is not None:
            watch.save(self.state)
        if self.report is not None:
            watch.report(self.report)
        paragraph(self.console, str(watch))
        for name, path in (("State", self.state), ("Report", self.report)):
            if path is not None:
                say(self.console, f"{name + ':':<8} {path}")
        return not watch.alarm

"""Checks rules files like ``promtool check rules``: whether Prometheus loads them.

The structure is checked against Prometheus' documentation ("Defining recording rules", "Alerting
rules"); expressions and durations are parsed by ``promql-parser``, which speaks the PromQL of
Prometheus 2.45. Templates in annotations are not evaluated.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

import promql_parser
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_METRIC = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def _expression(text: str) -> str:
    promql_parser.parse(text)  # raises a ValueError with the place
    return text


def _duration(text: str) -> str:
    promql_parser.parse_duration(text)
    return text


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    for name in labels:
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            raise ValueError(f"{name!r} is not a valid label name")
    return labels


Expression = Annotated[str, AfterValidator(_expression)]
RuleDuration = Annotated[str, AfterValidator(_duration)]
Labels = Annotated[Mapping[str, str], AfterValidator(_labels)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Rule(_Strict):
    """A recording or an alerting rule."""

    record: str | None = Field(default=None, pattern=_METRIC)
    alert: str | None = Field(default=None, min_length=1)
    expr: Expression
    for_: RuleDuration | None = Field(default=None, alias="for")
    keep_firing_for: RuleDuration | None = None
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.record is None) == (self.alert is None):
            raise ValueError("a rule is either a record or an alert")
        if self.record is not None and (self.for_ or self.keep_firing_for or self.annotations):
            raise ValueError(f"{self.record}: for and annotations are for alerts")
        if self.record is not None and "__name__" in self.labels:
            raise ValueError(f"{self.record}: the name is not a valid label")
        return self


class RuleGroup(_Strict):
    """Rules that are evaluated in order."""

    name: str = Field(min_length=1)
    interval: RuleDuration | None = None
    rules: list[Rule]


class RulesFile(_Strict):
    """A rules file."""

    groups: list[RuleGroup]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [group.name for group in self.groups]
        if len(names) != len(set(names)):
            raise ValueError("two groups of one file have one name")
        return self


def check(contents: Any) -> RulesFile:
    """Return a rules file that Prometheus loads.

    Raises:
        ValueError: It would not; lists every fault with its place.
    """
    return RulesFile.model_validate(contents)

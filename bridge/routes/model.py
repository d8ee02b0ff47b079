"""The content of a routes file, as pydantic models. Pure."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from bridge.cel import CelExpression
from bridge.cel.cost import Cost
from bridge.errors import SubjectError
from bridge.jetstream.subjects import check_filter
from bridge.operations import OPERATIONS
from bridge.operations.base import Operation, SpecModel
from bridge.operations.cancel import CancelSpec
from bridge.operations.end_activity import CompleteActivitySpec, FailActivitySpec
from bridge.operations.fields import Duration, TextExpression, TruthExpression
from bridge.operations.signal import SignalSpec
from bridge.operations.signal_with_start import SignalWithStartSpec
from bridge.operations.start import StartSpec
from bridge.operations.start_activity import StartActivitySpec
from bridge.operations.terminate import TerminateSpec
from bridge.operations.update import UpdateSpec
from bridge.operations.update_with_start import UpdateWithStartSpec
from bridge.routes.concurrency import Concurrency, check_concurrency
from bridge.routes.limits import InFlight, Rate, rate_key_problem
from bridge.routes.window_fields import BatchSpec, DebounceSpec, window_problem
from bridge.runtime.strict import TemporalName, Whole
from bridge.settings.source_settings import SourceSettings


def _subject_filter(value: str) -> str:
    try:
        return check_filter(value)
    except SubjectError as error:
        raise ValueError(str(error)) from None


def _exact_or_prefix(value: str) -> str:
    if "*" in value[:-1]:
        raise ValueError("a * is allowed only at the end: write an exact value or a prefix")
    return value


def _attribute(value: Any) -> Any:
    """Convert YAML booleans and numbers to CloudEvents string form."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


ExactOrPrefix = Annotated[str, Field(min_length=1), AfterValidator(_exact_or_prefix)]
"""Exact, or a prefix that ends with ``*``."""

Pattern = Annotated[str, Field(min_length=1)]
"""Text in which ``*`` stands for anything."""


class GiveUp(BaseModel):
    """When transient failures become a dead letter after all; without it, never."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    attempts: Whole | None = Field(None, ge=1)
    age: Duration | None = None
    """Since the event was recorded."""


class Allow(BaseModel):
    """What the routes of the file may use at all; patterns, empty: anything.

    A workflow type that no worker knows starts happily and then hangs: a list of those that
    exist catches the misspelt one when the file is loaded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    task_queues: tuple[Pattern, ...] = ()
    workflows: tuple[Pattern, ...] = ()


class Route(BaseModel):
    """Events that match lead to one operation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")
    subject: Annotated[str, AfterValidator(_subject_filter)] = Field(alias="from")
    """The NATS subject, in which ``*`` stands for one token and a last ``>`` for all others."""
    type: ExactOrPrefix | None = None
    """The CloudEvents type: exact, or a prefix that ends with ``*``."""
    source: ExactOrPrefix | None = None
    """The CloudEvents source: exact, or a prefix that ends with ``*``."""
    extensions: Mapping[
        Annotated[str, Field(pattern=r"^[a-z0-9]+$")],
        Annotated[
            str,
            BeforeValidator(_attribute),
            WithJsonSchema({"type": ["string", "boolean", "integer"]}),
        ],
    ] = Field(default_factory=dict)
    """Extension attributes that must have these values."""
    when: TruthExpression | None = None
    """CEL: whether the event is taken. When it fails, that is a dead letter."""
    key: TextExpression | None = None
    """CEL: events of one key are dispatched one after another; default: the workflow id."""
    only: tuple[Pattern, ...] = ()
    """Patterns of the workflow ids this route may touch; empty: any."""
    namespace: TemporalName | None = None
    """The Temporal namespace, by its name in the settings (``temporal.namespaces``); default:
    ``temporal.namespace``."""
    dataref: Literal["ignore", "fetch"] = "ignore"
    """``fetch``: an event without data gets those at the address in its extension ``dataref`` when the
    call is made. Expressions do not see them."""
    concurrency: Concurrency | None = None
    """How many runs of a key there may be at a time; only for operations that start a workflow."""
    give_up_after: GiveUp = GiveUp()
    max_in_flight: InFlight = None
    """Calls to Temporal at one time, at most, over all daemons; ``{limit: 4, each: daemon}``: by each."""
    rate: Rate = None
    """Calls a second, at most, over all daemons; or ``{limit, per, key, each}``."""
    debounce: DebounceSpec | None = None
    """One call for all events of a key that come shortly after each other."""
    batch: BatchSpec | None = None
    """One call for many events of a key."""
    start: StartSpec | None = None
    signal: SignalSpec | None = None
    signal_with_start: SignalWithStartSpec | None = None
    update: UpdateSpec | None = None
    update_with_start: UpdateWithStartSpec | None = None
    cancel: CancelSpec | None = None
    terminate: TerminateSpec | None = None
    start_activity: StartActivitySpec | None = None
    complete_activity: CompleteActivitySpec | None = None
    fail_activity: FailActivitySpec | None = None

    @model_validator(mode="after")
    def _one_operation(self) -> "Route":
        named = [name for name in OPERATIONS if getattr(self, name, None) is not None]
        if len(named) != 1:
            raise ValueError(
                f"names {', '.join(named) if named else 'no operation'}; a route names exactly "
                f"one of {', '.join(OPERATIONS)}",
            )
        return self

    @model_validator(mode="after")
    def _fetched_data_are_given_whole(self) -> "Route":
        if self.dataref == "ignore":
            return self
        if self.operation.name in ("cancel", "terminate", "fail_activity"):
            raise ValueError(
                f"dataref: fetch is of no use: {self.operation.name} gives no data"
            )
        for name in ("input", "argument", "result", "start.input"):
            if _member(self.spec, name) is not None:
                raise ValueError(
                    f"{name} cannot be used with dataref: fetch, because expressions do not see "
                    "the fetched data: leave it out, and the data are given whole"
                )
        return self

    @model_validator(mode="after")
    def _slots_can_be_held(self) -> "Route":
        if self.concurrency is not None:
            check_concurrency(self.spec)
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> "Route":
        problem = window_problem(
            self.operation.name,
            self.debounce,
            self.batch,
            fetches=self.dataref == "fetch",
            keyed=self.lane_key is not None or getattr(self.spec, "id", "named") is not None,
        ) or rate_key_problem(self.key, self.rate)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def window(self) -> DebounceSpec | BatchSpec | None:
        """What collects its events; None: each has a call of its own."""
        return self.debounce or self.batch

    @cached_property
    def lane_key(self) -> CelExpression | None:
        """CEL: the key in whose order events are dispatched; None: the workflow id."""
        return self.rate.key if self.key is None and self.rate is not None else self.key

    @cached_property
    def operation(self) -> Operation[Any]:
        """The operation of this route."""
        return next(
            op for name, op in OPERATIONS.items() if getattr(self, name, None) is not None
        )

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of the route's content, which identifies its revision."""
        return sha256(
            self.model_dump_json(by_alias=True, exclude_defaults=True).encode()
        ).digest()

    def expressions(self) -> Iterator[tuple[tuple[int | str, ...], CelExpression]]:
        """Yield each expression of the route with its location in the route."""
        yield from _expressions(self, ())

    def seconds(self, size: int, elements: int) -> float:
        """Return an upper bound of its expressions' time in seconds; see `bridge.cel.cost`."""
        cheap, others = self._costs
        seconds = cheap.seconds(size, elements)
        for each in others:
            seconds += each.seconds(size, elements)
        return seconds

    @cached_property
    def _costs(self) -> tuple[Cost, tuple[Cost, ...]]:
        """The total cost of cheap expressions, and the cost of each other expression."""
        costs = [expression.cost for _, expression in self.expressions()]
        cheap = sum(cost.reads for cost in costs if cost.is_cheap)
        return Cost(reads=cheap), tuple(cost for cost in costs if not cost.is_cheap)

    @property
    def spec(self) -> SpecModel:
        """The parameters of the route's operation."""
        spec: SpecModel = getattr(self, self.operation.name)
        return spec


def _member(spec: SpecModel, path: str) -> Any:
    found: Any = spec
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _expressions(
    value: Any, location: tuple[int | str, ...]
) -> Iterator[tuple[tuple[int | str, ...], CelExpression]]:
    match value:
        case CelExpression():
            yield location, value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _expressions(getattr(value, name), (*location, name))
        case Mapping():
            for name, each in value.items():
                yield from _expressions(each, (*location, name))
        case _:
            return


class RoutesFile(BaseModel):
    """A routes file."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, title="Routes of ntbridge"
    )

    allow: Allow = Allow()
    sources: tuple[SourceSettings, ...] = ()
    """Where events come from, and what the messages are; beside ``intake.sources`` of the settings."""
    routes: tuple[Route, ...]

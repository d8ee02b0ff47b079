"""The limits of a route's calls: how many in a period, and how many at one time. Pure.

::

    rate: 5                                            5 calls a second, over all daemons
    rate: {limit: 100, per: 1m}                        100 calls a minute, over all daemons
    rate: {limit: 10, per: 1s, key: data.customer}     10 calls a second for each customer
    rate: {limit: 5, each: daemon}                     5 calls a second by each daemon
    max_in_flight: 4                                   4 calls at one time, over all daemons
    max_in_flight: {limit: 4, each: daemon}            4 calls at one time by each daemon

`bridge.dispatch.throttle` keeps them.
"""

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.cel import CelExpression
from bridge.operations.fields import Duration, TextExpression
from bridge.runtime.durations import MAX_RATE, MIN_RATE
from bridge.runtime.strict import Number, Whole

_MAX_DENOMINATOR = 10_000
"""``rate: 0.3`` is 3 calls in 10 seconds; the period is at most this many seconds."""


class RateLimit(BaseModel):
    """Calls of a route in a period, at most."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    limit: Whole = Field(ge=1, le=int(MAX_RATE))
    """Calls in any time of the length ``per``, at most."""
    per: Duration = 1.0
    key: TextExpression | None = None
    """CEL: the calls of each key are counted apart. It is the route's ``key`` too: dispatches of one key are
    called one after another."""
    each: Literal["daemon"] | None = None
    """``daemon``: each daemon has this limit for itself; default: all daemons together have it."""

    @model_validator(mode="after")
    def _counted_once(self) -> "RateLimit":
        if self.limit / self.per > MAX_RATE:
            raise ValueError(f"more than {MAX_RATE:.0f} calls a second: leave the limit out")
        if self.key is not None and self.each is not None:
            raise ValueError(
                "each: daemon cannot be used with key: one daemon calls all dispatches of a key"
            )
        return self

    @property
    def shown(self) -> str:
        """The limit in words."""
        period = "s" if self.per == 1 else f"{self.per:g} s"
        each = " for each key" if self.key is not None else ""
        return f"{self.limit}/{period}{each}{_each(self.each)}"


class InFlightLimit(BaseModel):
    """Calls of a route at one time, at most."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    limit: Whole = Field(ge=1, le=1_000_000)
    each: Literal["daemon"] | None = None
    """``daemon``: each daemon has this limit for itself; default: all daemons together have it."""

    @property
    def shown(self) -> str:
        """The limit in words."""
        return f"{self.limit} at a time{_each(self.each)}"


def limits_shown(rate: RateLimit | None, in_flight: InFlightLimit | None) -> str:
    """Return the limits of a route in words; empty without any."""
    return ", ".join(each.shown for each in (rate, in_flight) if each is not None)


def _each(each: str | None) -> str:
    return "" if each is None else f" by each {each}"


def rate_key_problem(key: CelExpression | None, rate: RateLimit | None) -> str | None:
    """Return why a route's ``key`` cannot be used with its rate; None if it can."""
    if key is None or rate is None or rate.key is None or key.text == rate.key.text:
        return None
    return (
        "key and rate.key differ: the calls of a rate's key are counted by the daemon that dispatches the "
        "key, so leave key out, or write the same expression"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rate(value: Any) -> Any:
    """Return calls a second as a limit and a period."""
    if value is None or isinstance(value, RateLimit | dict):
        return value
    if not _is_number(value) or not MIN_RATE <= value <= MAX_RATE:
        raise ValueError(
            f"write the calls a second, a number from {MIN_RATE:g} to {MAX_RATE:.0f}, or a mapping "
            "such as {limit: 100, per: 1m}"
        )
    rate = Fraction(str(value)).limit_denominator(_MAX_DENOMINATOR)
    return {"limit": rate.numerator, "per": rate.denominator}


def _in_flight(value: Any) -> Any:
    if value is None or isinstance(value, InFlightLimit | dict):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - pydantic reports only this one
            "write the calls at one time, an integer, or a mapping such as "
            "{limit: 4, each: daemon}"
        )
    return {"limit": value}


_PlainRate = Annotated[Number, Field(ge=MIN_RATE, le=MAX_RATE)]
_PlainInFlight = Annotated[Whole, Field(ge=1)]

Rate = Annotated[
    RateLimit | None,
    BeforeValidator(_rate, json_schema_input_type=_PlainRate | RateLimit | None),
]
"""A limit of calls in a period; a number: calls a second."""
InFlight = Annotated[
    InFlightLimit | None,
    BeforeValidator(_in_flight, json_schema_input_type=_PlainInFlight | InFlightLimit | None),
]
"""A limit of calls at one time; an integer: over all daemons."""

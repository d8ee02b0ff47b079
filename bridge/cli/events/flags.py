"""The flags with which `explain` and `trace` are told which event is meant."""

from typing import Annotated

from cyclopts import Parameter

WhatArgument = Annotated[
    str | None,
    Parameter(
        help="An event's id or uid (or its beginning, as lists show it), a correlation id, a workflow "
        "id, or a CloudEvents subject such as the number of an order."
    ),
]
WhereFlag = Annotated[
    str | None, Parameter(help="Instead: a CEL expression over event and data, as in routes.")
]
BeforeFlag = Annotated[
    int | None, Parameter(help="With --where: search only below this position.")
]
SourceFlag = Annotated[
    str | None,
    Parameter(help="Source of the event, if several sources have an event with this id."),
]

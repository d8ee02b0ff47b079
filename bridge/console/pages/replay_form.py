"""Composing a replay: count what it would do, then begin it.

What is begun is what was counted: the form goes on with absolute times and with the last position. The
page only writes the row; `bridge.history.replay.host` says who runs it.
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge.console.guard import RequestForbidden, form_of, operator_of, reason_of
from bridge.console.pages.events import number_of, query_of
from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.errors import BridgeError
from bridge.history.replay.host import NO_REPORT
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Destination, Launch, Replays, ToNats, ToRoutes
from bridge.history.replay.survey import Survey, Surveyor
from bridge.history.replay.wording import events, planned, summary, tally_lines, where_to, which
from bridge.runtime.durations import check_rate

FIELDS = (
    *("type", "topic", "source", "subject", "correlation", "stream", "since", "until", "cel"),
    *(
        "from_position",
        "to_position",
        "to",
        "routes",
        "again",
        "forgotten",
        "archive",
        "nats_subject",
        "rate",
    ),
)
_SECONDS = 4.0


async def preview(request: Request) -> Response:
    """``POST /replays/preview``: what it would do; counts for some seconds, and goes on at a click."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    operator_of(request)
    fields = {name: form.get(name, "").strip() for name in FIELDS}
    try:
        selection, destination = await _order(parts, fields)
        _rate(fields)
        survey = await _surveyed(parts, selection, destination, _survey_of(form))
    except (BridgeError, ValueError) as error:
        return page(request, "message.html", message=str(error))
    # The same moments when it begins.
    for name in ("since", "until"):
        moment = getattr(selection.where, name)
        fields[name] = "" if moment is None else moment.isoformat()
    return page(
        request,
        "replay_preview.html",
        fields=fields,
        survey=survey,
        tally_json=msgspec.json.encode(survey.tally).decode(),
        which=which(selection),
        where_to=where_to(destination),
        lines=await _lines(parts, selection, survey),
        is_idle=isinstance(destination, ToRoutes) and not planned(survey.tally),
    )


async def start(request: Request) -> Response:
    """``POST /replays/start``: begin what was previewed."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who, reason = operator_of(request), reason_of(form)
    fields = {name: form.get(name, "").strip() for name in FIELDS}
    try:
        survey = _whole(_survey_of(form))
        selection, destination = await _order(parts, fields)
        through = min(survey.through, await selection.end(parts.store))
        launch = Launch(
            via=who.via,
            reason=reason,
            runner="console",
            rate=_rate(fields),
            detail=summary(selection, destination, survey.total),
        )
        async with parts.targets.opened(destination, NO_REPORT, fresh=False) as (_, sequence):
            replay = await Replays(parts.database, parts.store).begin(
                selection,
                destination,
                through=through,
                total=survey.total,
                sequence=sequence,
                who=who.name,
                launch=launch,
            )
    except (BridgeError, ValueError) as error:
        raise RequestForbidden(409, f"The replay was not begun: {error}") from error
    if parts.host is not None:
        parts.host.wake()
    return RedirectResponse(f"/replays/{replay.id}", 303)


async def _surveyed(
    parts: Parts, selection: Selection, destination: Destination, known: Survey | None
) -> Survey:
    async with AsyncExitStack() as stack:
        planner = None
        if isinstance(destination, ToRoutes):
            planner = parts.targets.planner(destination, parts.evaluator)
        else:
            # That the stream exists is known now, not when it begins.
            await stack.enter_async_context(
                parts.targets.opened(destination, NO_REPORT, fresh=False)
            )
        surveyor = Surveyor(parts.database, parts.store, selection, planner)
        survey = await surveyor.begin() if known is None else known
        return await surveyor.go_on(survey, seconds=_SECONDS)


async def _order(parts: Parts, fields: Mapping[str, str]) -> tuple[Selection, Destination]:
    """Return the events and the target of the form.

    Raises:
        ValueError: A field is wrong.
        ExpressionError: The CEL expression is wrong.
    """
    query = await query_of(parts.store, fields)
    selection = Selection(
        where=query.where,
        from_position=number_of(fields["from_position"]) or 1,
        to_position=number_of(fields["to_position"]),
        condition=query.condition,
        include_archive=bool(fields["archive"]),
    )
    if fields["to"] == "nats":
        return selection, ToNats(subject=fields["nats_subject"] or None)
    if fields["to"] != "routes":
        raise ValueError("choose where the events go: to routes or to NATS")
    names = [each.strip() for each in fields["routes"].split(",")]
    return selection, ToRoutes(
        names=tuple(dict.fromkeys(each for each in names if each)),
        again=bool(fields["again"]),
        forgotten=bool(fields["forgotten"]),
    )


async def _lines(parts: Parts, selection: Selection, survey: Survey) -> list[str]:
    """Return what else is to be known of a replay before it begins."""
    lines = tally_lines(survey.tally, "to be planned")
    if not survey.is_whole:
        return lines
    removed = await parts.store.count_removed(
        selection.where, after=selection.after, through=survey.through
    )
    if removed:
        fate = (
            "archived data is read back" if selection.include_archive else "they are not sent"
        )
        lines.append(f"{events(sum(removed.values()))} without data in the store: {fate}")
    return lines


def _rate(fields: Mapping[str, str]) -> float | None:
    if not fields["rate"]:
        return None
    try:
        rate = float(fields["rate"])
    except ValueError:
        raise ValueError(f"the rate {fields['rate'][:40]!r} is not a number") from None
    try:
        check_rate(None, rate)
    except ValueError as error:
        raise ValueError(f"the rate {error}") from None
    return rate


def _whole(survey: Survey | None) -> Survey:
    if survey is None or not survey.is_whole:
        raise ValueError("preview it first, until all is counted")
    return survey


def _survey_of(form: Mapping[str, str]) -> Survey | None:
    """Return what earlier previews counted; None if this is the first.

    Raises:
        ValueError: The fields are not those of a preview.
    """
    through, reached = number_of(form.get("through")), number_of(form.get("reached"))
    total = number_of(form.get("total"))
    if through is None or reached is None or total is None:
        return None
    try:
        tally = msgspec.json.decode(form.get("tally", "{}"), type=dict[str, int])
    except msgspec.DecodeError as error:
        raise ValueError("the tally is not that of a preview") from error
    return Survey(through=through, reached=reached, total=total, tally=tally)

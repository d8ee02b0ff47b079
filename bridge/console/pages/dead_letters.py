"""Dead letters: grouped by failure; preview, redrive and drop."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import cast, get_args
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge.console.access import Identity
from bridge.console.guard import RequestForbidden, form_of, operator_of, reason_of
from bridge.console.parts import Parts
from bridge.console.rendering import page, shown
from bridge.dead_letters import Stage
from bridge.dead_letters.store import Letter, LetterFilter, LetterState
from bridge.history.redrive import Redriven, Redriver
from bridge.inspect.failures import Failure
from bridge.relay.late import LateRelay

_MAX_GROUPS = 200
_PAGE = 50
_MAX_OF_EVENT = 200
_PREVIEWED = 20
_SECONDS = 8.0
_BATCH = 100
_MAX_ID = 2**63 - 1
_MAX_DIGITS = 19


async def groups(request: Request) -> Response:
    """``/dead-letters``: the failures, most frequent first."""
    parts: Parts = request.app.state.parts
    found = await parts.failures.groups(_MAX_GROUPS)
    return page(
        request, "dead_letters.html", groups=found, total=sum(each.letters for each in found)
    )


async def listed(request: Request) -> Response:
    """``/dead-letters/of``: the letters of one failure, or of one state."""
    parts: Parts = request.app.state.parts
    asked = request.query_params
    failure = _failure(asked)
    event = asked.get("event")
    if failure is not None:
        after = _number(asked.get("after", "0"))
        letters = await parts.failures.letters(failure, _PAGE, after=after)
    elif event:
        letters = (await parts.letters.about(_uids(event), event))[: -_MAX_OF_EVENT - 1 : -1]
    else:
        letters = await _of_state(parts, asked)
    more = letters[-1].id if not event and len(letters) == _PAGE else None
    return page(
        request,
        "dead_letters_of.html",
        letters=letters,
        failure=failure,
        state=asked.get("state", "open"),
        event=event,
        more=more,
    )


async def show(request: Request) -> Response:
    """``/dead-letters/{number}``: all that is stored of a letter."""
    parts: Parts = request.app.state.parts
    number = _number(request.path_params["number"])
    letter = await parts.letters.get(number)
    if letter is None:
        raise HTTPException(404, f"dead letter {number} does not exist")
    history = await parts.letters.history(number)
    actions = await parts.audit.latest(20, on=_object(letter.id))
    return page(request, "dead_letter.html", letter=letter, history=history, actions=actions)


async def preview(request: Request) -> Response:
    """``POST /dead-letters/preview``: what a redrive would do; changes nothing."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who = operator_of(request)
    letters = await _chosen(parts, form, _PREVIEWED)
    outcomes: list[Redriven] = []
    async with _Redrives(parts, who) as redriver:
        until = time.monotonic() + _SECONDS
        for letter in letters:
            if time.monotonic() >= until:
                break
            outcomes.append(await redriver.try_out(letter.id))
    return page(request, "outcomes.html", outcomes=outcomes, is_preview=True, more=None)


async def redrive(request: Request) -> Response:
    """``POST /dead-letters/redrive``: for some seconds; the answer says what is left."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who = operator_of(request)
    reason = reason_of(form)
    letters = await _chosen(parts, form, _BATCH)
    await _record(parts, who, "redrive", form, reason, letters)
    outcomes: list[Redriven] = []
    async with _Redrives(parts, who) as redriver:
        until = time.monotonic() + _SECONDS
        for letter in letters:
            outcomes.append(await redriver.redrive(letter.id))
            if time.monotonic() >= until:
                break
    return _acted(request, outcomes, _rest(form, outcomes, letters))


async def drop(request: Request) -> Response:
    """``POST /dead-letters/drop``: close letters without another attempt."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who = operator_of(request)
    reason = reason_of(form)
    letters = await _chosen(parts, form, _BATCH)
    await _record(parts, who, "drop", form, reason, letters)
    dropped = await parts.letters.drop([each.id for each in letters], who.name, reason)
    if form.get("letter"):
        return RedirectResponse(f"/dead-letters/{letters[0].id}", 303)
    outcomes = [Redriven(letter=each, outcome="not-open", detail="dropped") for each in dropped]
    return _acted(request, outcomes, _rest(form, outcomes, letters))


def _acted(
    request: Request, outcomes: list[Redriven], more: Mapping[str, str] | None
) -> Response:
    """Return the outcomes of an action; the page then asks for its list again."""
    answer = page(request, "outcomes.html", outcomes=outcomes, is_preview=False, more=more)
    answer.headers["HX-Trigger"] = "acted"
    return answer


async def _of_state(parts: Parts, asked: Mapping[str, str]) -> list[Letter]:
    """Return the newest letters of a state, below a number if one is given.

    Raises:
        HTTPException: There is no such state.
    """
    state = asked.get("state", "open")
    if state not in get_args(LetterState):
        raise HTTPException(404, "there is no such state")
    before = _number(asked.get("before") or str(_MAX_ID))
    wanted = LetterFilter(state=cast("LetterState", state))
    return await parts.letters.find(wanted, _PAGE, before=before)


def _uids(text: str) -> list[UUID]:
    try:
        return [UUID(text)]
    except ValueError:
        return []


class _Redrives:
    """A redriver with what it needs, for one request.

    Raises:
        RequestForbidden: The routes file cannot be read.
    """

    def __init__(self, parts: Parts, who: Identity) -> None:
        self._parts = parts
        self._who = who
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Redriver:
        parts = self._parts
        routes = await parts.routes.table_or_reason()
        if isinstance(routes, str):
            raise RequestForbidden(
                409, f"The routes cannot be read, so nothing was redriven: {routes}"
            )
        late = await self._stack.enter_async_context(
            LateRelay(parts.database, parts.store, parts.settings.nats)
        )
        return Redriver(
            parts.database,
            parts.store,
            routes,
            parts.evaluator,
            max_hops=parts.settings.intake.max_hops,
            late=late,
            who=self._who.name,
        )

    async def __aexit__(self, *fault: object) -> None:
        await self._stack.aclose()


async def _chosen(parts: Parts, form: Mapping[str, str], limit: int) -> list[Letter]:
    """Return the open letters that a form names: one, or the first of a failure.

    Raises:
        RequestForbidden: There is none.
    """
    failure = _failure(form)
    if form.get("letter"):
        wanted = LetterFilter(ids=(_number(form["letter"]),), state="open")
        letters = await parts.letters.find(wanted, 1)
    elif failure is not None:
        letters = await parts.failures.letters(
            failure, limit, after=_number(form.get("after", "0"))
        )
    else:
        raise RequestForbidden(400, "The form names no dead letter.")
    if not letters:
        raise RequestForbidden(409, "None of these dead letters is open any more.")
    return letters


async def _record(
    parts: Parts,
    who: Identity,
    action: str,
    form: Mapping[str, str],
    reason: str,
    letters: list[Letter],
) -> None:
    if form.get("letter"):
        on, detail = _object(letters[0].id), ""
    else:
        on = shown(
            f"dead letters {letters[0].stage} {letters[0].code}: {form.get('shape', '')}"
        )
        detail = f"letters {', '.join(str(each.id) for each in letters)}"
    await parts.audit.record(
        who=who.name, via=who.via, action=action, on=on, reason=reason, detail=detail
    )


def _rest(
    form: Mapping[str, str], outcomes: list[Redriven], letters: list[Letter]
) -> Mapping[str, str] | None:
    """Return the fields of the form that goes on after these outcomes; None if nothing is left."""
    if form.get("letter") or not outcomes:
        return None
    last = outcomes[-1].letter
    if last == letters[-1].id and len(letters) < _BATCH:
        return None
    return {**form, "after": str(last)}


def _failure(fields: Mapping[str, str]) -> Failure | None:
    stage, code, shape = fields.get("stage"), fields.get("code"), fields.get("shape")
    if stage not in get_args(Stage) or code is None or shape is None:
        return None
    return Failure(
        stage=cast("Stage", stage), code=code, route=fields.get("route") or None, shape=shape
    )


def _number(text: str) -> int:
    if not (
        text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS and int(text) <= _MAX_ID
    ):
        raise RequestForbidden(400, f"{shown(text, 40)} is not a number of a dead letter.")
    return int(text)


def _object(number: int) -> str:
    return f"dead letter {number}"

"""Dead letters: messages, dispatches and events that failed, stored with their bytes and the reason.

::

    intake ───┐                       ┌──▶ notice on deadletters.<stage>.<route>
    dispatch ─┼─▶ a row, in the same ─┤    (`bridge.dead_letters.publisher`)
    relay ────┘   commit as the fault └──▶ ntbridge dead-letters ls | show | redrive | drop

=========  =================================================  =================================
stage      what failed                                        what a redrive does
=========  =================================================  =================================
intake     a delivery: not a CloudEvent, violates its schema, decodes the bytes again, records
           known id with another body, or a bug of the bridge the event, plans by current routes
dispatch   one route's dispatch of a stored event             plans it again by the current
                                                              route, as a new generation
relay      a stored event that NATS did not accept            publishes it late
=========  =================================================  =================================

A letter is open until a redrive succeeds (``redriven``) or a person closes it (``dropped``);
rows are never deleted. A failed redrive leaves the letter open and records the reason. A redriven
dispatch that fails again is a new letter, because it has a new generation.

Each fault has one letter: one per delivery, per event, route and generation, or per event that NATS
did not accept. Unique indexes guarantee this when a commit is repeated because its outcome was lost.

Modules: `letters` (the letter, insert), `mentions` (which event an undecodable message is about),
`store` (find, read, close), `notices` and `publisher` (the notice on NATS).
"""

from bridge.dead_letters.letters import DeadLetter, Stage, insert, storable

__all__ = ["DeadLetter", "Stage", "insert", "storable"]

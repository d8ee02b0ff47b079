"""Dead letters: what could not be handled, kept with its bytes and the reason.

::

    intake ───┐                       ┌──▶ notice on deadletters.<stage>.<route>
    dispatch ─┼─▶ a row, in the same ─┤    (`bridge.dead_letters.publisher`)
    relay ────┘   commit that lets go └──▶ ntbridge dead-letters ls | show | redrive | drop

=========  =================================================  =================================
stage      what is dead                                       what a redrive does
=========  =================================================  =================================
intake     a delivery: no CloudEvent, against its schema,     decodes the bytes again, records
           another body under a known id, or a fault of ours  the event, plans by today's routes
dispatch   one route's dispatch of a stored event             plans it again by today's route, as
                                                              a new generation
relay      a stored event that NATS did not take              publishes it late
=========  =================================================  =================================

A letter is open until a redrive succeeds (``redriven``) or a person closes it (``dropped``);
rows are never removed. A redrive that fails leaves it open and notes why. A redriven dispatch
that dies again is a letter of its own, since its generation is another.

Each fault has one letter: a delivery, an event's generation by one route, an event that NATS
did not take. Unique indexes see to it when a commit whose outcome was lost is repeated.
"""

from bridge.dead_letters.letters import DeadLetter, Stage, insert, storable

__all__ = ["DeadLetter", "Stage", "insert", "storable"]

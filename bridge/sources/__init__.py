"""Sources: how the messages of a stream become events. Pure.

A source says with ``decode`` what its messages are. CloudEvents are read as they are. Of any other
message the source makes a CloudEvent: its data is the message's body, its attributes come from the
CEL expressions of the source's ``event`` block, or from the defaults:

==========  ==================================================================================
attribute   default
==========  ==================================================================================
``id``      ``<sequence>-<time in nanoseconds>``, of the message in its stream
``source``  ``/nats/<stream>``
``type``    ``<type_prefix>.<subject of the message>``
``time``    when the stream stored the message
==========  ==================================================================================

**Identity.** Sequence and time are stored with the message, so a redelivery, another leader and a
restored stream give the same id. ``Nats-Msg-Id`` is not a default: it is unique only within the
stream's duplicate window.

**Visible.** Each such event has the extension attribute ``ntbridgesource`` with the stream's name.

**Key-value buckets.** Each change of a key is an event with its operation (`key_value`).

**What cannot become an event** raises `DecodeError`: intake makes it a dead letter with its bytes. A
redrive after a correction of the source gives the event that it would have been.

Modules: `bodies` reads the data, `protobuf` messages by their
descriptors, `key_value` the operation on a key, `mapping` evaluates the expressions, `decoder` makes the event,
`table` holds the decoders of all sources, `merging` joins the sources of settings and routes file.
"""

from bridge.sources.decoder import Decoder, SourceMessage
from bridge.sources.table import NO_SOURCES, Sources

__all__ = ["NO_SOURCES", "Decoder", "SourceMessage", "Sources"]

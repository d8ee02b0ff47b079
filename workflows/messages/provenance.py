"""The messages of provenance: signed statements about artifacts and events of a run."""

from workflows.messages.message import Message

SEALED = "io.quantum-suite.provenance.sealed.v1"
"""The type of the last event of a run's provenance; it follows the closing event."""


class Signature(Message):
    """One signature of an envelope; ``sig`` is base64."""

    keyid: str
    sig: str


class SignedEnvelope(Message):
    """A DSSE envelope (secure-systems-lab/dsse, version 1), with the member names of the specification."""

    payloadType: str  # noqa: N815 - the specification's
    payload: str
    signatures: tuple[Signature, ...]


class SealRequest(Message):
    """Sign a statement about all events of the run; ``closing`` is the last one's type."""

    closing: str


class Seal(Message):
    """The statement about a whole run; without an envelope if it is unsigned."""

    envelope: SignedEnvelope | None = None


class RunReference(Message):
    """The identity of a run in statements."""

    namespace: str
    workflow_type: str
    workflow_id: str
    run_id: str

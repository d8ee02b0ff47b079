"""The messages of provenance: signed statements about what a run has made and told."""

from workflows.messages.message import Message

SEALED = "io.quantum-suite.provenance.sealed.v1"
"""The type of the event with which a run's provenance ends; it follows the closing event."""


class Signature(Message):
    """One signature of an envelope; ``sig`` is base64."""

    keyid: str
    sig: str


class SignedEnvelope(Message):
    """A DSSE envelope (secure-systems-lab/dsse, version 1), its members by their own names."""

    payloadType: str  # noqa: N815 - the specification's
    payload: str
    signatures: tuple[Signature, ...]


class SealRequest(Message):
    """Vouch for everything that the run has told; ``closing`` is its last event's type."""

    closing: str


class Seal(Message):
    """The statement about a whole run; without an envelope where nothing is signed."""

    envelope: SignedEnvelope | None = None


class RunReference(Message):
    """A run, as statements name it."""

    namespace: str
    workflow_type: str
    workflow_id: str
    run_id: str

"""What a proposal's commit has: the proposed files, and the statements about them. Pure."""

from hashlib import sha256
from pathlib import PurePosixPath

from workflows.adapters.qlafs import dsse
from workflows.adapters.qlafs.statements import subjects_of
from workflows.errors import InvalidInputError, NotGenuineError
from workflows.messages.code_generation import Fingerprint
from workflows.messages.code_host import ProposedFile

PROVENANCE = "provenance"
"""The folder of the signed statements, beside the files."""


def contents_of(files: tuple[ProposedFile, ...]) -> dict[str, bytes]:
    """Return the files of a commit by path: those proposed, and the statements about them.

    Raises:
        InvalidInputError: A path leads out of the folder, or two are equal.
        NotGenuineError: A fingerprint is not that of its file.
    """
    contents: dict[str, bytes] = {}
    for file in files:
        path = _path(file.path)
        if path in contents:
            raise InvalidInputError(f"two files are called {path}")
        contents[path] = file.content.encode()
        if file.fingerprint is not None:
            _check(file, file.fingerprint)
            if (envelope := file.fingerprint.envelope) is not None:
                statement = envelope.model_dump_json(indent=1).encode()
                contents[f"{PROVENANCE}/{path}.dsse.json"] = statement
    return contents


def _path(path: str) -> str:
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") for part in parts)
    if not parts or path.startswith("/") or hidden or "\0" in path or "\n" in path:
        raise InvalidInputError(f"{path!r} is not a path within the folder of a service")
    if parts[0] == PROVENANCE:
        raise InvalidInputError(f"{path!r}: the folder {PROVENANCE} is for signed statements")
    return "/".join(parts)


def _check(file: ProposedFile, fingerprint: Fingerprint) -> None:
    """Check that a fingerprint and its statement are about this content.

    The signature is not checked: ``ntbridge provenance verify`` and readers of the branch do that.

    Raises:
        NotGenuineError: They are about another one.
    """
    digest = sha256(file.content.encode()).hexdigest()
    about = {fingerprint.sha256}
    if fingerprint.envelope is not None:
        about |= subjects_of(dsse.payload_of(fingerprint.envelope))
    if about != {digest}:
        raise NotGenuineError(f"the fingerprint of {file.path} is of other content")

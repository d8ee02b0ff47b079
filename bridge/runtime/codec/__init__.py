"""The payload codec: what Temporal stores of arguments, results, memos and failures is encrypted.

A codec sits between the client and Temporal's frontend: payloads are encoded before they are sent and
decoded after they are received, by the daemon, the workers and all others that have the keys. Temporal sees
neither keys nor contents. Either this package encrypts (`EncryptionCodec`), or a codec server of one's
own does (`RemoteCodec`).

**Format.** That of the encryption samples of Temporal's SDKs, so that workers in other languages need no
code of ours: AES-256-GCM over the serialized payload; the data is nonce (12 bytes), ciphertext and tag;
the metadata are ``encoding: binary/encrypted`` and ``encryption-key-id``.

**Rotation.** A payload names its key, so several keys are known at a time and one of them encrypts
(`keys`). A file of keys is read again while the process runs. A payload without this encoding passes
unchanged: runs that started before the codec was switched on continue.

**Failures.** Neither an unknown key nor an unreachable codec server is a fault of the payload: both raise
`CodecError`, and the caller tries again later. The error names the key's id, never a key or a content.

**Not encrypted**, because Temporal reads it: search attributes, workflow ids, names of types, signals and
task queues, the reason of a termination. The trace context in headers stays readable too, so that
tracing works across languages; it has no data of the event.
"""

from bridge.runtime.codec.connect import codec_of, data_converter
from bridge.runtime.codec.settings import CodecSettings

__all__ = ["CodecSettings", "codec_of", "data_converter"]

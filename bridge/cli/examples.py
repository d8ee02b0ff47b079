"""The examples that each command's help ends with. A test parses every one of them."""

from collections.abc import Mapping, Sequence

from cyclopts import App

from bridge.runtime.terminal import examples_of

EXAMPLES: Mapping[str, Sequence[str]] = {
    "dev": ["ntbridge dev", "ntbridge dev --ephemeral --sample --once"],
    "run": ["ntbridge run --config ntbridge.yaml"],
    "migrate": ["ntbridge migrate", "ntbridge migrate --print --roles"],
    "status": ["ntbridge status", "ntbridge status --watch --every 5s"],
    "explain": [
        "ntbridge explain order-4711",
        "ntbridge explain 1f2e3d4c",
        "ntbridge explain --where 'data.total > 1000.0'",
        "ntbridge explain --stream EVENTS --sequence 17",
    ],
    "trace": ["ntbridge trace order-4711", "ntbridge trace code-generation/1f2e3d4c -o json"],
    "pause": [
        "ntbridge pause route billing --why 'the bank is away'",
        "ntbridge pause source EVENTS",
        "ntbridge pause",
    ],
    "resume": ["ntbridge resume route billing"],
    "events ls": [
        "ntbridge events ls --type io.example.shop.ordered.v1 --since 1h",
        "ntbridge events ls --where 'data.total > 1000.0' --columns uid,subject",
    ],
    "events publish": [
        "ntbridge events publish --sample code-generation --wait",
        "ntbridge events publish event.json",
        "ntbridge events publish --type io.example.shop.ordered.v1 --subject order-4711 --data '{}'",
    ],
    "events schema": ["ntbridge events schema"],
    "events tail": ["ntbridge events tail --since 10m"],
    "events explain": ["ntbridge events explain order-4711"],
    "events export": ["ntbridge events export history.ndjson"],
    "events import": ["ntbridge events import history.ndjson"],
    "results watch": ["ntbridge results watch --since 1h --where 'data.status == \"failed\"'"],
    "routes ls": ["ntbridge routes ls --output wide"],
    "routes lint": ["ntbridge routes lint --strict"],
    "routes test": ["ntbridge routes test"],
    "routes explain": ["ntbridge routes explain -f event.json"],
    "routes diff": [
        "ntbridge routes diff new.yaml --since 30d",
        "ntbridge routes diff new.yaml --route ship -o json",
    ],
    "routes graph": ["ntbridge routes graph > routes.mmd"],
    "routes schema": ["ntbridge routes schema > routes.schema.json"],
    "sources ls": ["ntbridge sources ls"],
    "sources counted": ["ntbridge sources counted EVENTS"],
    "sources test": ["ntbridge sources test ORDERS --last 5"],
    "replay": [
        "ntbridge replay --since 1h > history.ndjson",
        "ntbridge replay --since 1h --to-routes --dry-run",
        "ntbridge replay --stop 0197f2a0-6b1e-7c1d-9a53-2f4b7c9d1e00 --why 'the subscriber is down'",
    ],
    "verify": ["ntbridge verify --since 1h"],
    "dead-letters ls": [
        "ntbridge dead-letters ls --code json",
        "ntbridge dead-letters ls --summary",
    ],
    "dead-letters show": [
        "ntbridge dead-letters show 12",
        "ntbridge dead-letters show 12 --raw > body",
    ],
    "dead-letters redrive": [
        "ntbridge dead-letters redrive 12 13",
        "ntbridge dead-letters redrive --all --dry-run",
    ],
    "dead-letters drop": ["ntbridge dead-letters drop 12 --why 'a test message'"],
    "dispatches ls": [
        "ntbridge dispatches ls --route billing",
        "ntbridge dispatches ls --state collision",
    ],
    "dispatches show": ["ntbridge dispatches show 12"],
    "store prune": [
        "ntbridge store prune --older-than 90d --archive s3://archive/ntbridge --dry-run",
        "ntbridge store prune --older-than 365d --category order --no-archive --why 'a test' --yes",
        "ntbridge store prune",
    ],
    "store erase": [
        "ntbridge store erase --subject ada@example.com --why 'request 4711' --dry-run",
        "ntbridge store erase --subject ada@example.com --why 'request 4711' --chains",
    ],
    "store index add": ["ntbridge store index add subject"],
    "store index ls": ["ntbridge store index ls"],
    "store index drop": ["ntbridge store index drop subject"],
    "store removals": ["ntbridge store removals -o wide"],
    "doctor": ["ntbridge doctor"],
    "console": ["ntbridge console --port 8235"],
    "console-token": ["ntbridge console-token ada --role operator >> tokens.yaml"],
    "codec-server": ["ntbridge codec-server --origin http://localhost:8233"],
    "completion": [
        "source <(ntbridge completion bash)",
        "ntbridge completion zsh > ~/.zfunc/_ntbridge",
    ],
    "version": ["ntbridge version"],
}


def attach(app: App, tokens: Sequence[str]) -> None:
    """Give the command that a command line names its examples, and the whole of its docstring."""
    words = [token for token in tokens if not token.startswith("-")]
    for length in (3, 2, 1):
        name = " ".join(words[:length])
        if name not in EXAMPLES:
            continue
        command = app
        for word in words[:length]:
            command = command[word]
        if command.default_command is not None:
            command.help = None  # that of the list; the docstring begins with it and says more
        command.help_epilogue = examples_of(EXAMPLES[name])
        return

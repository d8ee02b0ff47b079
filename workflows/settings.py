"""Settings of the modules: which adapters they use and how those behave.

`workflows.config` reads them from the environment: ``qtest.containment`` is
``NTBRIDGE_WORKER_QTEST__CONTAINMENT``.
"""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bridge.runtime.durations import Duration
from bridge.runtime.host_header import is_loopback

OPENAI = "openai"
"""The adapter that asks a model at a server with OpenAI's HTTP API."""
_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Section(BaseModel):
    """Base of a section of the worker's settings; an unknown setting is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def one_of(*builtin: str) -> AfterValidator:
    """Check that a setting names a built-in adapter or a factory, ``package.module:factory``.

    `workflows.modules.module.adapter` says what a factory receives and returns.
    """

    def check(named: str) -> str:
        if named in builtin or _FACTORY.fullmatch(named):
            return named
        known = ", ".join(builtin)
        raise PydanticCustomError(
            "adapter", f"must be {known}, or your own adapter as package.module:factory"
        )

    return AfterValidator(check)


ANY_KIND = "*"


class InfraRules(Section):
    """When a change needs approval, and by whom. ``*`` in a pattern matches anything.

    Attributes:
        fixed: Properties that cannot change in place, by kind of resource (``*``: any kind).
        high_environments: Patterns of environments in which every change is HIGH.
        high_kinds: Patterns of kinds of resources whose every change is HIGH.
        most_changes: More changes than this at once are HIGH.
        approvers: Who may approve, by pattern of environments. For these environments, a
            request cannot name others.
        two_people: Patterns of environments where the confirmer must not be the approver.
    """

    fixed: Mapping[str, tuple[str, ...]] = Field(
        default_factory=lambda: {
            ANY_KIND: ("region",),
            "database": ("engine",),
            "volume": ("encrypted",),
        }
    )
    high_environments: tuple[str, ...] = ("prod", "prod-*", "production", "production-*")
    high_kinds: tuple[str, ...] = ()
    most_changes: int | None = Field(default=None, ge=0)
    approvers: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    two_people: tuple[str, ...] = ()


class NotifierSettings(Section):
    """How people are notified, besides the result events.

    Attributes:
        adapter: ``webhook``; it sends nothing until ``webhook`` has an address.
        webhook: The URL that receives notifications. Without one, only the result events say
            the same.
        secret: The key that signs them, shared with the receiver: ``whsec_`` and Base64.
        seconds: Timeout of the receiver's answer.
    """

    adapter: Annotated[str, one_of("webhook")] = "webhook"
    webhook: str | None = Field(default=None, pattern=r"^https?://\S+$")
    secret: SecretStr | None = None
    seconds: float = Field(default=10, gt=0, le=25)

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.webhook is not None and self.secret is None:
            raise ValueError(
                "a webhook needs a secret, so that its receiver can verify the sender"
            )
        return self


_PRIVATE_NAMES = (".internal", ".lan", ".local", ".localdomain", ".home.arpa", ".svc")


def is_private(host: str) -> bool:
    """Return whether a host is in a private network, as far as its address or name tells."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.lower().endswith(_PRIVATE_NAMES)


class OpenAISettings(Section):
    """The server of the language model: OpenAI's, or one with the same HTTP API.

    Attributes:
        base_url: The URL up to and including the version: ``https://api.openai.com/v1``.
        model: The model that generates code and tests.
        embedding_model: The model that computes vectors.
        api_key: Sent as a bearer token, if set.
        seconds: Timeout of a whole answer.
        silence: Seconds allowed between two chunks of an answer.
        max_tokens: Limit of an answer; by default the limit of the server.
        requests_per_minute: Limit of requests in any minute. All workers with the same
            ``REDIS_URL`` share it; without one, each has its own.
        tokens_per_minute: The same for tokens of questions and answers. A call is counted by an
            estimate until the server reports its tokens.
        cache_seconds: How long an answer is kept, to be given to the same question again; 0: never.
            ``REDIS_URL`` shares the cache too.
    """

    base_url: str = Field(default="https://api.openai.com/v1", pattern=r"^https?://\S+$")
    model: str = ""
    embedding_model: str = ""
    api_key: SecretStr | None = None
    seconds: float = Field(default=540, gt=0)
    silence: float = Field(default=60, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)
    requests_per_minute: int | None = Field(default=None, gt=0)
    tokens_per_minute: int | None = Field(default=None, gt=0)
    cache_seconds: float = Field(default=3600, ge=0)

    @model_validator(mode="after")
    def _key_is_kept(self) -> Self:
        address = urlsplit(self.base_url)
        if address.username or address.password:
            raise ValueError(
                "base_url must not have a key, because messages show it: use api_key"
            )
        if self.sends_key_in_clear and not is_private(address.hostname or ""):
            raise ValueError("an api_key is not sent over http to a public address: use https")
        return self

    @property
    def sends_key_in_clear(self) -> bool:
        """Whether the key leaves this machine unencrypted."""
        address = urlsplit(self.base_url)
        return (
            self.api_key is not None
            and address.scheme == "http"
            and not is_loopback(address.hostname or "")
        )


class QAgentSettings(Section):
    """How QAgent generates, checks, signs and remembers code.

    Attributes:
        gateway: ``recipes`` needs no server, writes some eighty functions and refuses every
            prompt that it does not understand as a whole; ``openai`` is a language model.
        recipes: A folder with recipes of your own, ``NAME.toml`` each.
        min_similarity: Accepted code is shown to the language model as an example only if its
            prompt is at least so similar (0 to 1).
        patterns: ``postgres`` stores accepted code in the event store's database; ``none``
            stores nothing.
        embeddings: ``lexical`` needs no server and compares words, not meanings; ``openai`` is
            a model.
        checker: ``python``: the code compiles, and ruff finds no error.
        rounds: How many versions of the code a language model may write until one passes.
        tests: Whether a language model also writes tests for its code, which must pass.
        test_seconds: Timeout of these tests, and of those of recipes.
        fingerprint: ``required``: a run of CodeGenerationWorkflow whose code gets no fingerprint
            fails; ``optional``: it continues without one.
        qlafs: ``signed`` statements, or unsigned ``sha256`` digests.
        key: The private Ed25519 key (PEM) to sign with; by default a new one in the state
            folder. All workers should have the same key.
    """

    gateway: Annotated[str, one_of("recipes", "openai")] = "recipes"
    patterns: Annotated[str, one_of("postgres", "none")] = "postgres"
    embeddings: Annotated[str, one_of("lexical", "openai")] = "lexical"
    checker: Annotated[str, one_of("python")] = "python"
    qlafs: Annotated[str, one_of("signed", "sha256")] = "signed"
    key: Path | None = None
    rounds: int = Field(default=3, ge=1, le=10)
    tests: bool = True
    test_seconds: float = Field(default=120, gt=0, le=300)
    fingerprint: Literal["required", "optional"] = "required"
    recipes: Path | None = None
    min_similarity: float = Field(default=0.4, ge=0, le=1)


class QInfraSettings(Section):
    """Where environments and releases are, and which changes need approval.

    Attributes:
        provisioner: ``local``: resources are objects in the object store; ``tofu``: OpenTofu or
            Terraform (`workflows.adapter_settings`).
        deployer: ``local``: releases run as processes of the worker's machine; all workers with
            this module must be on one machine. ``container``: the same, with an image and a
            container for each release. ``records``: releases are recorded and checked, and
            something else runs them.
        engine: The program that runs containers, with its global flags, as JSON:
            ``["docker"]``.
        image: The base image of releases; it needs ``python3``.
        pause: Seconds to wait before each resource of a local environment, like a provider.
        containment: Containment of running releases and smoke checks. ``required`` runs them in a
            cage without a network, and fails where the kernel forbids that; ``best-effort`` then runs them with
            Landlock, a seccomp filter and limits; ``none`` is for your own services that need the network.
        check_seconds: Timeout of a smoke check.
        health_seconds: How long a release may take until it answers ``GET /health``.
        memory: Limit of the memory of a running release.
        outlive: Whether services run on when the worker ends.
        host: The address on which services listen.
        address: The name or address under which others reach them; default: ``host``.
        machine: The name of the worker's machine, for ``local``; default: its host name.
        rules: As JSON: ``{"approvers": {"production": ["ann", "bob"]}}``.
    """

    provisioner: Annotated[str, one_of("local", "tofu")] = "local"
    deployer: Annotated[str, one_of("local", "container", "records")] = "local"
    engine: tuple[str, ...] = Field(default=("podman",), min_length=1)
    image: str = Field(default="docker.io/library/python:3.11-slim-bookworm", min_length=1)
    pause: float = Field(default=0, ge=0, le=60)
    containment: Literal["required", "best-effort", "none"] = "required"
    check_seconds: int = Field(default=60, gt=0, le=600)
    health_seconds: float = Field(default=60, gt=0, le=120)
    memory: ByteSize = Field(default=ByteSize(2**29), ge=64 * 2**20)
    outlive: bool = True
    host: str = Field(default="127.0.0.1", min_length=1)
    address: str | None = Field(default=None, pattern=r"^[\w.:-]+$")
    machine: str | None = Field(default=None, pattern=r"^\S+$")
    rules: InfraRules = InfraRules()


class QSecureSettings(Section):
    """Which scanners check code.

    Attributes:
        scanners: As JSON: ``["bandit", "secrets"]``. ``dependencies`` needs ``advisories``.
        seconds: Timeout of bandit for a file.
        advisories: Advisories about PyPI packages in the OSV format: a zip file, such as
            ``PyPI/all.zip`` of osv.dev, or a folder with JSON files. They are read again when
            they change.
    """

    scanners: tuple[Annotated[str, one_of("bandit", "secrets", "dependencies")], ...] = Field(
        default=("bandit", "secrets"), min_length=1
    )
    seconds: float = Field(default=120, gt=0, le=540)
    advisories: Path | None = None

    @model_validator(mode="after")
    def _has_advisories(self) -> Self:
        if "dependencies" in self.scanners and self.advisories is None:
            raise ValueError(
                "the scanner 'dependencies' needs advisories: a file or folder in the OSV format"
            )
        return self


class QSRESettings(Section):
    """How services are monitored.

    Attributes:
        monitor: ``prometheus`` writes rules files.
        folder: The folder of the rules files and targets; Prometheus needs
            ``<folder>/*.rules.yml`` in ``rule_files`` and ``<folder>/targets.json`` in
            ``file_sd_configs``. Default: ``monitoring`` in the worker's state folder. Every
            worker writes the rules of all services into its own.
        reload: A URL that is requested (POST) after rules have changed: Prometheus' ``/-/reload``.
        down_after: How long a service must be down until the alert fires.
    """

    monitor: Annotated[str, one_of("prometheus")] = "prometheus"
    folder: Path | None = None
    reload: str | None = Field(default=None, pattern=r"^https?://\S+$")
    down_after: Duration = Field(default=60, gt=0)


class QTestSettings(Section):
    """How tests are generated and run.

    Attributes:
        generator: Hypothesis' ``ghostwriter``, or the language model of ``openai``.
        runner: ``pytest``, in a cage.
        containment: ``required`` does not run generated code where the kernel forbids
            namespaces; ``best-effort`` then runs it with Landlock, a seccomp filter and
            limits (``docs/pipelines.md`` says what that leaves open).
        coverage: What follows if tests do not reach the target coverage and the request does not
            say it: ``warn`` or ``fail``.
        seconds: Timeout of a suite.
        memory: Limit of the address space of each process, and of the memory of all
            processes together.
        disk: Limit of a suite's folder, which is in memory.
        processes: Limit of processes and threads of a suite.
        at_once: Limit of suites that run at the same time.
        folder: Where ``best-effort`` creates its folders.
    """

    generator: Annotated[str, one_of("ghostwriter", "openai")] = "ghostwriter"
    runner: Annotated[str, one_of("pytest")] = "pytest"
    containment: Literal["required", "best-effort"] = "required"
    coverage: Literal["warn", "fail"] = "warn"
    seconds: float = Field(default=600, gt=0, le=600)
    memory: ByteSize = Field(default=ByteSize(2**30), ge=256 * 2**20)
    disk: ByteSize = Field(default=ByteSize(64 * 2**20), ge=2**20)
    processes: int = Field(default=24, ge=4, le=1000)
    at_once: int = Field(default=2, ge=1)
    folder: Path | None = None

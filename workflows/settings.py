"""The base of a module's settings, and how they name adapters."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

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

_FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class Part(BaseModel):
    """A part of the worker's settings; an unknown one in it is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def one_of(*ours: str) -> AfterValidator:
    """Check that a setting names one of our adapters, or a team's own: ``package.module:factory``.

    What a factory is given and returns stands in `workflows.modules.module`.
    """

    def check(named: str) -> str:
        if named in ours or _FACTORY.fullmatch(named):
            return named
        known = ", ".join(ours)
        raise PydanticCustomError(
            "adapter", f"it is {known}, or your own as package.module:factory"
        )

    return AfterValidator(check)


# What the operator says about changes to environments.

ANY_KIND = "*"


class InfraRules(Part):
    """When people are asked, and whom. ``*`` in a pattern stands for anything.

    Attributes:
        fixed: By kind of resource (``*``: of any): properties that cannot change in place.
        high_environments: Patterns of environments any change of which is HIGH.
        high_kinds: Patterns of kinds of resources any change of which is HIGH.
        most_changes: More changes than this at once are HIGH.
        approvers: By a pattern of environments, who may approve. Where it names somebody, a
            request cannot name others.
        two_people: Patterns of environments where who confirms must be another than who approved.
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


# The notifier's settings.


class NotifierSettings(Part):
    """How people are told, beside the result events.

    Attributes:
        adapter: ``webhook``, which is none as long as it has no address.
        webhook: The address that notifications are sent to; without one nobody is told but
            those who listen to the result events, which say the same.
        secret: Signs them, as the receiver knows it: ``whsec_`` and Base64.
        seconds: How long the receiver may take.
    """

    adapter: Annotated[str, one_of("webhook")] = "webhook"
    webhook: str | None = Field(default=None, pattern=r"^https?://\S+$")
    secret: SecretStr | None = None
    seconds: float = Field(default=10, gt=0, le=25)

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.webhook is not None and self.secret is None:
            raise ValueError(
                "a webhook needs a secret, so that its receiver can tell who sends"
            )
        return self


# Settings of a server that speaks OpenAI's HTTP interface.


class OpenAISettings(Part):
    """Where the language model is: OpenAI's own, or anything that speaks like it.

    Attributes:
        base_url: Up to and including the version: ``https://api.openai.com/v1``.
        model: Which writes code.
        embedding_model: Which makes vectors.
        api_key: Sent as a bearer token, if there is one.
        seconds: For a whole answer.
        silence: Seconds that may pass between two pieces of an answer.
        max_tokens: Of an answer; by default what the server allows.
    """

    base_url: str = Field(default="https://api.openai.com/v1", pattern=r"^https?://\S+$")
    model: str = ""
    embedding_model: str = ""
    api_key: SecretStr | None = None
    seconds: float = Field(default=540, gt=0)
    silence: float = Field(default=60, gt=0)
    max_tokens: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _key_is_kept(self) -> Self:
        scheme, _, host = self.base_url.split("/")[:3]
        if "@" in host:
            raise ValueError("base_url is shown in messages: put the key into api_key")
        local = host.partition(":")[0] in {"localhost", "127.0.0.1"} or host.startswith("[::1]")
        if scheme == "http:" and not local and self.api_key is not None:
            raise ValueError("an api_key is not sent over http: use https")
        return self


# QAgent's settings.


class QAgentSettings(Part):
    """Who writes code, and what is remembered of it.

    Attributes:
        gateway: ``recipes`` needs nothing and knows a few functions; ``openai`` is a language
            model.
        patterns: ``postgres`` remembers accepted code in the event store's database; ``none``
            remembers nothing.
        embeddings: ``lexical`` needs nothing and compares words, not meanings; ``openai`` is a
            model.
        checker: ``python``: it compiles, and ruff finds no error.
        qlafs: ``signed`` statements, or bare ``sha256`` digests, which vouch for nothing.
        key: The private Ed25519 key (PEM) to sign with; by default one is made in the state
            folder. All workers should have the same.
    """

    gateway: Annotated[str, one_of("recipes", "openai")] = "recipes"
    patterns: Annotated[str, one_of("postgres", "none")] = "postgres"
    embeddings: Annotated[str, one_of("lexical", "openai")] = "lexical"
    checker: Annotated[str, one_of("python")] = "python"
    qlafs: Annotated[str, one_of("signed", "sha256")] = "signed"
    key: Path | None = None


# QInfra's settings.


class QInfraSettings(Part):
    """Where environments and releases are, and what the operator says about changes.

    Attributes:
        provisioner: ``local``: environments are folders under the worker's state folder.
        deployer: ``local``: likewise releases.
        pause: Seconds before each resource of a local environment, as a provider would take.
        containment: Of releases' smoke checks. ``required`` runs them in a cage without a
            network, and refuses where the kernel forbids that; ``best-effort`` runs them all the
            same, with limits; ``none`` is for services of your own that must reach something.
        check_seconds: How long a smoke check may take.
        rules: As JSON: ``{"approvers": {"production": ["ann", "bob"]}}``.
    """

    provisioner: Annotated[str, one_of("local")] = "local"
    deployer: Annotated[str, one_of("local")] = "local"
    pause: float = Field(default=0, ge=0, le=60)
    containment: Literal["required", "best-effort", "none"] = "required"
    check_seconds: int = Field(default=60, gt=0, le=600)
    rules: InfraRules = InfraRules()


# QSecure's settings.


class QSecureSettings(Part):
    """Which scanners look at code.

    Attributes:
        scanners: As JSON: ``["bandit", "secrets"]``.
        seconds: How long bandit may take for a file.
    """

    scanners: tuple[Annotated[str, one_of("bandit", "secrets")], ...] = Field(
        default=("bandit", "secrets"), min_length=1
    )
    seconds: float = Field(default=120, gt=0, le=540)


# QSRE's settings.


class QSRESettings(Part):
    """How services are watched.

    Attributes:
        monitor: ``prometheus`` writes rules files.
        folder: For them; Prometheus' ``rule_files`` names ``<folder>/*.rules.yml``. By default
            ``monitoring`` in the worker's state folder.
    """

    monitor: Annotated[str, one_of("prometheus")] = "prometheus"
    folder: Path | None = None


# QTest's settings.


class QTestSettings(Part):
    """How tests are written and run.

    Attributes:
        generator: Who writes tests: Hypothesis' ``ghostwriter``, or the language model of
            ``openai``.
        runner: ``pytest``, in a cage.
        containment: ``required`` refuses to run generated code where the kernel forbids
            namespaces; ``best-effort`` runs it all the same, with limits and Landlock.
        seconds: How long a suite may take.
        memory: Address space of each process.
        disk: Of a suite's folder, which is in memory.
        processes: Of a suite, threads included.
        at_once: How many suites may run at the same time.
        folder: Where folders are made when ``best-effort`` needs them.
    """

    generator: Annotated[str, one_of("ghostwriter", "openai")] = "ghostwriter"
    runner: Annotated[str, one_of("pytest")] = "pytest"
    containment: Literal["required", "best-effort"] = "required"
    seconds: float = Field(default=120, gt=0, le=540)
    memory: ByteSize = Field(default=ByteSize(2**30), ge=256 * 2**20)
    disk: ByteSize = Field(default=ByteSize(64 * 2**20), ge=2**20)
    processes: int = Field(default=24, ge=4, le=1000)
    at_once: int = Field(default=2, ge=1)
    folder: Path | None = None


# The modules' settings, one file a module: which adapters there are, and how they behave.
#
# ``qtest.containment`` is ``NTBRIDGE_WORKER_QTEST__CONTAINMENT`` in the environment.

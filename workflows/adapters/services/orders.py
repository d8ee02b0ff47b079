"""What a worker tells a supervisor when it starts it."""

from pydantic import Field

from workflows.messages.message import Message


class SupervisorOrders(Message):
    """What a supervisor is for. It listens on ``host``."""

    environment: str
    service: str
    host: str
    port: int
    control_port: int
    token: str
    containment: str
    engine: tuple[str, ...] = ()
    """The program that runs containers, with its flags; empty: instances are processes."""
    image: str = ""
    health_seconds: float
    memory: int = Field(gt=0)
    unused_seconds: float = Field(60, gt=0)
    """How long it waits for its first release before it ends."""
    outlives: bool = True
    """False: it ends when its standard input is closed."""

"""A Temporal frontend that answers at once: what is left is the caller's own cost.

For benchmarks, and for tests that count calls: it keeps no state and promises nothing. Run as a
program it writes its address as one line and serves until its input ends.
"""

import asyncio
import sys
from typing import Any
from uuid import uuid4

import grpc
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    GetSystemInfoRequest,
    GetSystemInfoResponse,
    SignalWorkflowExecutionRequest,
    SignalWorkflowExecutionResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)

_SERVICE = "temporal.api.workflowservice.v1.WorkflowService"
_START = "StartWorkflowExecution"
_STARTED = StartWorkflowExecutionResponse()
_ANSWERS: dict[str, tuple[Any, Any]] = {
    "GetSystemInfo": (
        GetSystemInfoRequest,
        GetSystemInfoResponse(
            server_version="0",
            capabilities=GetSystemInfoResponse.Capabilities(
                internal_error_differentiation=True
            ),
        ),
    ),
    "DescribeNamespace": (DescribeNamespaceRequest, DescribeNamespaceResponse()),
    _START: (
        StartWorkflowExecutionRequest,
        _STARTED,
    ),
    "SignalWorkflowExecution": (
        SignalWorkflowExecutionRequest,
        SignalWorkflowExecutionResponse(),
    ),
}


class Arrivals:
    """The starts that arrived.

    Attributes:
        times: When each arrived, by the loop's clock.
        at_once: How many are being answered.
        most_at_once: The most there were.
        seconds: How long an answer takes.
        arrived: Set at each arrival.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.times: list[float] = []
        self.at_once = 0
        self.most_at_once = 0
        self.seconds = seconds
        self.arrived = asyncio.Event()

    async def take(self) -> None:
        """Count a start for as long as it takes."""
        self.times.append(asyncio.get_running_loop().time())
        self.arrived.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.seconds)
        self.at_once -= 1


def _handler(
    request: Any, answer: Any, arrivals: Arrivals | None = None
) -> "grpc.RpcMethodHandler[Any, Any]":
    async def respond(_request: object, _context: object) -> object:
        if arrivals is not None:
            await arrivals.take()
        if answer is _STARTED:
            # Runs have ids of their own: what is noted of each is a row, as with a real server.
            return StartWorkflowExecutionResponse(run_id=str(uuid4()), started=True)
        return answer

    return grpc.unary_unary_rpc_method_handler(
        respond,
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


async def begin(arrivals: Arrivals | None = None) -> tuple[grpc.aio.Server, str]:
    """Start a server on a free port of the loopback interface; return it and its address."""
    server = grpc.aio.server()
    methods = {name: _handler(*answer) for name, answer in _ANSWERS.items()}
    if arrivals is not None:
        methods[_START] = _handler(*_ANSWERS[_START], arrivals)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, methods),),
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"


async def serve() -> None:
    """Serve until standard input ends."""
    server, address = await begin()
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())

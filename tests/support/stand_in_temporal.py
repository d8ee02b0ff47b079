"""A Temporal frontend that answers at once: what is left is the caller's own cost.

A tool of the benchmarks, not of the tests: it keeps no state and promises nothing. Run as a
program it writes its address as one line and serves until its input ends.
"""

import asyncio
import sys
from typing import Any

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
    "StartWorkflowExecution": (
        StartWorkflowExecutionRequest,
        StartWorkflowExecutionResponse(run_id="stand-in", started=True),
    ),
    "SignalWorkflowExecution": (
        SignalWorkflowExecutionRequest,
        SignalWorkflowExecutionResponse(),
    ),
}


def _handler(request: Any, answer: Any) -> "grpc.RpcMethodHandler[Any, Any]":
    async def respond(_request: object, _context: object) -> object:
        return answer

    return grpc.unary_unary_rpc_method_handler(
        respond,
        request_deserializer=request.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )


async def serve() -> None:
    """Serve on a free port of the loopback interface until standard input ends."""
    server = grpc.aio.server()
    methods = {name: _handler(*answer) for name, answer in _ANSWERS.items()}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(_SERVICE, methods),),
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())

"""Members of a request that its message does not have."""

import pytest

from workflows.messages.complete_code import CompleteCodeRequest
from workflows.messages.devsecops import DevSecOpsRequest
from workflows.messages.infra import InfraProvisionRequest
from workflows.messages.message import Message
from workflows.platform.inputs import unknown_members

SERVICE = {"service": "shop", "prompt": "sort", "environment": "test"}


@pytest.mark.parametrize(
    ("message", "given", "faults"),
    [
        (DevSecOpsRequest, {**SERVICE, "owner": "ann"}, []),
        (
            DevSecOpsRequest,
            {**SERVICE, "resorces": [], "zzz": 1},
            ["resorces: unknown member; did you mean resources?", "zzz: unknown member"],
        ),
        (
            CompleteCodeRequest,
            {**SERVICE, "smoke_chek": "pass"},
            ["smoke_chek: unknown member; did you mean smoke_check?"],
        ),
        (
            CompleteCodeRequest,
            {**SERVICE, "provision": [{"name": "a", "kind": "volume", "knd": 1}]},
            ["provision.0.knd: unknown member; did you mean kind?"],
        ),
        (
            InfraProvisionRequest,
            {
                "environment": "test",
                "resources": [{"name": "a", "kind": "b", "properties": {"any": {"thing": 1}}}],
                "terms": {"answer_withn": "1h"},
            },
            ["terms.answer_withn: unknown member; did you mean answer_within?"],
        ),
    ],
)
def test_unknown_members_are_found_at_any_depth(
    message: type[Message], given: object, faults: list[str]
) -> None:
    assert unknown_members(message.model_validate(given), given) == faults

"""Task tokens: a real one is read, and nothing else passes for one."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ExpressionError
from bridge.operations.task_token import read_token

# As a Temporal server 1.32 gave them.
IN_WORKFLOW = (
    b"\n$01a22b39-6e66-7665-be78-627a76f33d1b\x12\x07order/1\x1a$01a22b39-7ed8-721e-9a49-c589b042992b"
    b" \x05(\x012\x011B\x04wait"
)
ALONE = (
    b"\n$01a22b39-6e66-7665-be78-627a76f33d1b(\x012\x02a2B\x04waitr^\n$01a22b39-6e66-7665-be78-627a76"
    b"f33d1b\x12\x02a2\x1a$01a22b39-7ed8-721e-9a49-c589b042992b \xe2\xb0\x83\xb5\x0c*\x02\x10\x01:\x02\x10\x01x\x01"
)


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("strip", ["", "="])
def test_a_token_says_which_activity_it_ends(encode: object, strip: str) -> None:
    assert callable(encode)
    text = encode(IN_WORKFLOW).decode()
    found = read_token(text.rstrip(strip) if strip else text)
    assert found.token == IN_WORKFLOW
    assert (found.workflow_id, found.activity_id, found.target) == ("order/1", "1", "order/1")
    assert found.run_id == "01a22b39-7ed8-721e-9a49-c589b042992b"
    alone = read_token(encode(ALONE).decode())
    assert (alone.workflow_id, alone.activity_id, alone.target) == ("", "a2", "a2")


@pytest.mark.parametrize("text", ["", "####", "YQ", base64.b64encode(b"\x0a\x05ab").decode()])
def test_another_text_is_no_token(text: str) -> None:
    with pytest.raises(ExpressionError, match="token"):
        read_token(text)


@given(st.binary(max_size=200) | st.binary(max_size=5).map(lambda more: IN_WORKFLOW + more))
def test_whatever_the_bytes_are_they_are_read_or_refused(token: bytes) -> None:
    try:
        found = read_token(base64.b64encode(token).decode())
    except ExpressionError:
        return
    assert found.token == token
    assert found.target


@given(st.text(max_size=100))
def test_whatever_the_text_is_it_is_read_or_refused(text: str) -> None:
    try:
        found = read_token(text)
    except ExpressionError:
        return
    assert found.target

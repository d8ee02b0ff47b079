import pytest

from bridge.health.codec import judge_codec
from bridge.temporal.stored_payloads import StoredPayloads


def run(memo: str, result: str, queue: str = "q") -> StoredPayloads:
    return StoredPayloads(workflow_id="w", task_queue=queue, memo=memo, result=result)


@pytest.mark.parametrize(
    ("known", "current", "runs", "state", "words"),
    [
        (None, "", [], "ok", "off: Temporal stores payloads readable"),
        (None, "", [run("readable", "readable")], "ok", "off"),
        (None, "", [run("readable", "key k1")], "warning", "encrypted with k1"),
        (["k1"], "k1", [], "ok", "on: AES-256-GCM, current key k1; known: k1"),
        (["k1"], "k1", [run("key k1", "key k1"), run("key k1", "")], "ok", "1 of the latest 2"),
        (["k1"], "k1", [run("readable", "readable")], "ok", "0 of the latest 1"),
        (["k1"], "k1", [run("key k1", "readable")], "warning", "of run w is readable"),
        (["k1"], "k1", [run("key k1", "key k2")], "warning", "encrypted with k2"),
        (["k1"], "", [run("readable", "readable")], "ok", "only decrypting"),
    ],
)
def test_the_finding_tells_what_is_known(
    known: list[str] | None, current: str, runs: list[StoredPayloads], state: str, words: str
) -> None:
    found = judge_codec(None, known, current, runs)
    assert (found.state, words in found.detail) == (state, True), found


def test_the_workers_that_do_not_encode_are_named() -> None:
    found = judge_codec("https://codec", None, "", [run("key x", "readable", queue="slow")])
    assert found.state == "warning"
    assert found.detail.startswith("on: the codec server https://codec")
    assert found.to_do is not None
    assert "workers of slow" in found.to_do

"""Kubernetes of three versions accepts every manifest; nothing in them is misspelt."""

import copy

import pytest

from tests.support.kubernetes.manifests import Document, of_kind

pytestmark = pytest.mark.slow

kubernetes_validate = pytest.importorskip("kubernetes_validate", reason="make .venv/dev.stamp")

VERSIONS = ("1.33", "1.35", "1.37")
CUSTOM = "monitoring.coreos.com/v1"
"""Checked by tests/packaging/test_custom_resources.py, whose schemas come from npm."""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(documents: tuple[Document, ...], version: str) -> None:
    checked = 0
    for each in documents:
        if each["apiVersion"] != CUSTOM:
            kubernetes_validate.validate(each, version, strict=True)
            checked += 1
    assert checked > 60


def test_a_misspelt_key_is_found(dev: tuple[Document, ...]) -> None:
    wrong = copy.deepcopy(of_kind(dev, "Deployment")[0])
    wrong["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError, match="enableServiceLink"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)

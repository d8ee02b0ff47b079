"""QSecure's step: the scan of code."""

from workflows.messages.security import ScanReport, ScanRequest
from workflows.platform.policies import SAGA
from workflows.platform.step import Step

MODULE = "qsecure"

scan = Step(
    module=MODULE,
    name="qsecure.scan",
    takes=ScanRequest,
    gives=ScanReport,
    policy=SAGA,
    summary="scan the code for weaknesses and secrets",
)

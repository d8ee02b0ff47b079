"""The monitoring rules of a service. Pure.

The alerts are those of Google's SRE workbook, chapter 5 ("Alerting on SLOs", multiwindow,
multi-burn-rate): the burn rate of the error budget over a long window, which ignores short
disturbances, and over a short one, so that the alert ends soon after the cause. The metrics are those of OpenTelemetry's
semantic conventions for HTTP servers, as Prometheus names them. The supervisor of a service measures them at the
service's port, and whether the release in force is well (`workflows.adapters.services.front`).
"""

from typing import Any

from workflows.messages.monitoring import MonitoringRequest

_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_BURNS = (
    # name, burn rate, long window, short window, duration, severity
    ("Fast", 14.4, "1h", "5m", "2m", "critical"),
    ("Slow", 6.0, "6h", "30m", "15m", "critical"),
    ("Lasting", 3.0, "1d", "2h", "1h", "warning"),
    ("Creeping", 1.0, "3d", "6h", "3h", "warning"),
)
_ERRORS = "service:errors:ratio_rate"
_LATENCY = "service:latency:p95_5m"
_SECONDS = "http_server_request_duration_seconds"


def rules_for(request: MonitoringRequest, *, down_after: float = 60) -> dict[str, Any]:
    """Return the contents of a rules file for one service.

    ``down_after`` is how long it must be down until the alert fires, in seconds.
    """
    of = f'service_name="{request.service}",deployment_environment_name="{request.environment}"'
    these = f'{{service="{request.service}",environment="{request.environment}"}}'
    labels = {"service": request.service, "environment": request.environment}
    if request.owner:
        labels["owner"] = request.owner
    group = f"{request.environment}/{request.service}"
    records = [
        {
            "record": f"{_ERRORS}{window}",
            "expr": (
                f'sum(rate({_SECONDS}_count{{{of},http_response_status_code=~"5.."}}[{window}]))'
                f" / sum(rate({_SECONDS}_count{{{of}}}[{window}]))"
            ),
            "labels": labels,
        }
        for window in _WINDOWS
    ]
    records.append(
        {
            "record": _LATENCY,
            "expr": f"histogram_quantile(0.95, sum by (le) (rate({_SECONDS}_bucket{{{of}}}[5m])))",
            "labels": labels,
        }
    )
    alerts = [_burn(request, these, labels, burn) for burn in _BURNS]
    alerts += [
        {
            "alert": "LatencyHigh",
            "expr": f"{_LATENCY}{these} > {request.latency_seconds:g}",
            "for": "10m",
            "labels": {**labels, "severity": "warning"},
            "annotations": {
                "summary": f"{request.service} is slow in {request.environment}",
                "description": f"95 % of requests took up to {{{{ $value | humanizeDuration }}}}; "
                f"{request.latency_seconds:g} s are aimed at.",
            },
        },
        {
            "alert": "ServiceDown",
            "expr": f"absent(service_up{{{of}}} == 1)",
            "for": f"{down_after:.0f}s",
            "labels": {**labels, "severity": "critical"},
            "annotations": {
                "summary": f"{request.service} is down in {request.environment}",
                "description": "No release of it answers its health check.",
            },
        },
    ]
    return {
        "groups": [
            {"name": f"{group} indicators", "interval": "30s", "rules": records},
            {"name": f"{group} alerts", "rules": alerts},
        ]
    }


def _burn(
    request: MonitoringRequest,
    these: str,
    labels: dict[str, str],
    burn: tuple[str, float, str, str, str, str],
) -> dict[str, Any]:
    name, times, long, short, patience, severity = burn
    limit = f"{times:g} * {1 - request.availability:.6g}"
    return {
        "alert": f"ErrorBudgetBurn{name}",
        "expr": f"{_ERRORS}{long}{these} > ({limit}) and {_ERRORS}{short}{these} > ({limit})",
        "for": patience,
        "labels": {**labels, "severity": severity},
        "annotations": {
            "summary": f"{request.service} burns its error budget {times:g} times too fast",
            "description": f"{{{{ $value | humanizePercentage }}}} of requests fail in "
            f"{request.environment}; {request.availability:.4%} must succeed.",
        },
    }

"""Whether a consumer that exists can be used for a source, and what may be lost by it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from nats.js.api import RetentionPolicy, StreamInfo

ConsumerState = Mapping[str, Any]
"""The server's consumer info, as decoded JSON."""


def unfitness(config: ConsumerState, filter_subject: str | None) -> Sequence[str]:
    """Return why a consumer's configuration is not suitable for a source; empty if it is.

    Args:
        config: The configuration in the server's JSON.
        filter_subject: The source's subject filter; None for the whole stream.
    """
    found = []
    if config.get("deliver_subject"):
        found.append("it is a push consumer")
    if config.get("ack_policy") != "explicit":
        found.append(f"its ack policy is {config.get('ack_policy')}, not explicit")
    if config.get("deliver_policy") not in ("all", "by_start_sequence"):
        found.append(f"its deliver policy is {config.get('deliver_policy')}, not all")
    if config.get("headers_only"):
        found.append("it delivers headers only")
    if (config.get("max_deliver") or -1) > 0:
        found.append(f"it gives up on a message after {config['max_deliver']} deliveries")
    if config.get("priority_groups"):
        found.append("it has priority groups")
    single = config.get("filter_subject")
    filters = config.get("filter_subjects") or ([single] if single else [])
    wanted = [] if filter_subject in (None, ">") else [filter_subject]
    if [each for each in filters if each != ">"] != wanted:
        shown = ", ".join(filters) or "none"
        found.append(f"its filter is {shown}, and the source's {filter_subject or 'none'}")
    return found


def expiry_risk(consumer: ConsumerState, info: StreamInfo) -> str | None:
    """Return what is lost when the server deletes an unused consumer; None if nothing is."""
    seconds = (consumer["config"].get("inactive_threshold") or 0) / 1e9
    if not seconds or info.config.retention != RetentionPolicy.INTEREST:
        return None
    return (
        f"the server deletes the consumer {consumer['name']} when no daemon has pulled from it for "
        f"{seconds:g} s (inactive_threshold), and a stream with interest retention then drops its "
        "messages: remove that limit from the consumer and from consumer_limits of the stream"
    )

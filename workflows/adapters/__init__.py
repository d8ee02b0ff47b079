"""The implementations of the ports; they do not use Temporal."""

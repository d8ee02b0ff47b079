"""The way in: ``fetch → decode → match → record → ack``, in `bridge.intake.pipeline`."""

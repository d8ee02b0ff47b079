"""From plan to Temporal: ``take → call → settle``, in `bridge.dispatch.dispatcher`."""

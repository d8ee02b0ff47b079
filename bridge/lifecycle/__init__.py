"""Services, leadership, backoff and crash points: how long-running parts live."""

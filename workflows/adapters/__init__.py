"""What really does the work behind the ports; knows no Temporal."""

"""What every new connection runs before it is lent."""

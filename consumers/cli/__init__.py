"""What operators type about consumers."""

"""What operators type."""

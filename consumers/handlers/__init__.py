"""One file per effect. Its name is its function's, its consumer group's, and its name in every tool."""

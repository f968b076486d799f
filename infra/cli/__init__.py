"""Commands that need nothing of ours but settings and services."""

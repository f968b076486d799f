"""People and services that own files."""

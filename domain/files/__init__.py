"""Files, from the first promise of bytes to the last byte removed."""

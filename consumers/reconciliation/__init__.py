"""What S3 holds is compared with what rows know, a page at a time, and what disagrees is repaired."""

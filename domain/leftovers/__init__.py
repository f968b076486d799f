"""What lies in S3 and belongs to no file."""

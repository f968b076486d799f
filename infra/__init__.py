"""What the rooms stand on: settings, Postgres, Redis, S3, logs, and the embedded stack. Imports nothing of ours."""

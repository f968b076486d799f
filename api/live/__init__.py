"""Events as they happen: one reader of the outbox in a process, and whoever listens to it."""

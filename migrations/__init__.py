"""The schema, step by step. Each step runs with a lock and a statement timeout and can be undone."""

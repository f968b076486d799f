"""What each process does first, once what it needs is imported."""

from infra.settings import Settings, load_settings
from infra.telemetry import configure_logging
from infra.tracing import configure_tracing


def configured(process: str) -> Settings:
    """Its settings; from here on it logs, and makes spans, as they say. Raises as `load_settings` does."""
    settings = load_settings()
    configure_logging(settings.log_format)
    configure_tracing(process)
    return settings

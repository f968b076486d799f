from tests.journey.conftest import house

__all__ = ["house"]

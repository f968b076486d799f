from tests.s3 import any_storage, moto

__all__ = ["any_storage", "moto"]

"""Tokens for services, made by a person: v4.public, with scopes, verified by anybody who has our public keys."""

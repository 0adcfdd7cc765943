"""Lua hooks in a worker."""

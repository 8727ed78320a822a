"""Targets that graphs run on."""

"""Modules and parameters."""

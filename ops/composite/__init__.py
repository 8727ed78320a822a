"""Ops defined by a body over other ops."""

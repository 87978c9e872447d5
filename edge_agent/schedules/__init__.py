"""Schedules: what happens when, by the clock."""

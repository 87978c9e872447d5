"""Profiles, schedules, day and night."""

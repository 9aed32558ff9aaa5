"""Measurements, run alone on an idle machine by `make bench`."""

"""Adapters that make models of any framework look alike; only they import a framework."""

"""Models of any framework, behind one seam; only the adapters import a framework."""

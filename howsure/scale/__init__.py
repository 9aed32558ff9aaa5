"""More rows than fit in memory, or than one process does in time: folders of results, and workers of Ray."""

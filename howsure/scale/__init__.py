"""More rows than fit in memory, or than one process does in time: folders of results, and workers of Ray.

On the command line `howsure assess MODEL ROWS --out FOLDER` writes a folder, and `--workers N` shares the
work (`howsure.scale.work`). In Python `assess` is for datasets of Ray.
"""

from howsure.scale.ray import assess

__all__ = ["assess"]

"""Convert frames, loaders, files and arrays to checked rows, labels and ids."""

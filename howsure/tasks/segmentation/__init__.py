"""A class at each position of a row: the pixels of an image, the voxels of a volume, the words of a text."""

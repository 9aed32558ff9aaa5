"""NIfTI files for tests, which are skipped where nibabel is not installed."""

import numpy as np
import pytest

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed: pip install 'howsure[volumes]'")

SIDES = (6, 5, 4)


def save(path, array, affine=None):
    """Write an array as a NIfTI file."""
    path.parent.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)

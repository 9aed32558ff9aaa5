"""Small networks of the architectures that people have, for `python -m validation.models`."""

from validation.architectures import corners, images, series, vectors
from validation.architectures.core import ARCHITECTURES, Architecture

__all__ = ["ARCHITECTURES", "Architecture", "corners", "images", "series", "vectors"]

"""Small networks of the architectures that people have, for `python -m validation.models`."""

from validation.architectures import images, series, vectors
from validation.architectures.core import ARCHITECTURES, Architecture

__all__ = ["ARCHITECTURES", "Architecture", "images", "series", "vectors"]

import functools

import numpy as np
import pytest
import typer.testing

# Typer would make all commands anew for each call, and they are the same.
typer.testing._get_command = functools.cache(typer.testing._get_command)


@pytest.fixture
def random():
    return np.random.default_rng(7)

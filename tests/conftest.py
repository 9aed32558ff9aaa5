import functools

import numpy as np
import pytest
import typer.testing

# Typer makes all commands anew for each call, which takes longer than most of what tests ask of them.
typer.testing._get_command = functools.cache(typer.testing._get_command)


@pytest.fixture
def random():
    return np.random.default_rng(7)

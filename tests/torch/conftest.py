"""Plain PyTorch: Keras is neither needed nor imported by what is tested here."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(autouse=True)
def seeded():
    """The modules of a test are the same wherever and whenever it runs."""
    torch.manual_seed(7)


def pytest_collection_modifyitems(items):
    """Small modules with weights drawn say nothing of their outputs; `test_meant.py` is about just that."""
    for item in items:
        if "tests/torch/" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings("ignore:Nothing says what:howsure.HowsureWarning"))

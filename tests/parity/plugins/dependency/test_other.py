import pytest


@pytest.mark.dependency(depends=["test_chain.py::test_base"], scope="session")
def test_on_another_file():
    pass

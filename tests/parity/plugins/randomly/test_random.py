import random

import pytest


@pytest.mark.parametrize("number", range(8))
def test_the_generator_is_reset_before_each_test(number, pytestconfig):
    drawn = random.random()
    random.seed(pytestconfig.getoption("randomly_seed"))
    # Newer releases mix the test's name into the seed: then it is the draw itself that has to be the same.
    (pytestconfig.rootpath / f"drawn-{number}.txt").write_text(f"{drawn}\n")


class TestGrouped:
    def test_first(self):
        pass

    def test_second(self):
        pass

    def test_third(self):
        pass

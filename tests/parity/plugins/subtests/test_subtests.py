import unittest

import pytest


def test_all_pass(subtests):
    for number in range(3):
        with subtests.test(msg="even or odd", number=number):
            assert number % 2 in (0, 1)


def test_two_fail(subtests):
    for number in range(4):
        with subtests.test(number=number):
            assert number % 2 == 0


def test_one_is_skipped(subtests):
    with subtests.test(msg="skips"):
        pytest.skip("not this one")
    with subtests.test(msg="runs"):
        pass


def test_fails_besides(subtests):
    with subtests.test(msg="fine"):
        pass
    raise AssertionError("after the subtests")


class TestNumbers(unittest.TestCase):
    def test_unittest(self):
        for number in range(3):
            with self.subTest(number=number):
                assert number != 1

import pytest


@pytest.mark.benchmark(group="sums")
@pytest.mark.parametrize("size", [10, 100])
def test_sum(benchmark, size):
    assert benchmark(sum, range(size)) == size * (size - 1) // 2


def test_sorting_with_a_setup(benchmark):
    def numbers():
        return ([3, 1, 2],), {}

    assert benchmark.pedantic(sorted, setup=numbers, rounds=3) == [1, 2, 3]


def test_without_benchmark():
    assert sum([1, 2]) == 3

"""Prices, in cents."""

import subprocess
import sys


def total(prices):
    """The sum of prices."""
    if not prices:
        return 0
    return sum(prices)


def discounted(price, percent):
    """A price less some percent."""
    if percent > 100:
        raise ValueError(percent)
    return price - price * percent // 100


def never_called():
    """What no test reaches."""
    first = 1
    second = 2
    third = 3
    return first + second + third


def total_elsewhere():
    """The sum of two prices, from a child process."""
    code = "from shop.parcels import weigh; print(weigh(3))"
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)

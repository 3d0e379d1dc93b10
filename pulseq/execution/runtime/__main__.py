"""Starts a program of this package under any interpreter: `PYTHON __main__.py PROGRAM --fd N`.

The package is loaded under a private name and its directory taken off `sys.path`,
so that none of its modules can clash with one of the code under test.
This file itself has to parse under any Python, to be able to say that it is too old.
"""

# mypy: allow-untyped-defs, allow-untyped-calls
import importlib
import os
import sys

PRIVATE_NAME = "_pulseq_runtime"
OLDEST = (3, 9)


def load_package(name=PRIVATE_NAME):
    """Load the package that this file lies in as the top-level package `name`."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if not entry or os.path.abspath(entry) != here]
    package = type(sys)(name)
    package.__path__ = [here]
    sys.modules[name] = package


def main(arguments):
    """Run the program `arguments[0]`: its `main` gets the file descriptor after `--fd`."""
    if sys.version_info[:2] < OLDEST:
        sys.exit("Python %d.%d or newer is needed, this is %d.%d" % (OLDEST + tuple(sys.version_info[:2])))
    if len(arguments) != 3 or arguments[1] != "--fd":
        sys.exit("expected PROGRAM --fd N, found " + " ".join(arguments))
    load_package()
    importlib.import_module(PRIVATE_NAME + "." + arguments[0]).main(int(arguments[2]))


if __name__ == "__main__":
    main(sys.argv[1:])

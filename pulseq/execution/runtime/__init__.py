"""What runs under the interpreter of the code under test: Python 3.9 or newer, standard library alone.

Nothing here imports `pulseq`. A program in this package is started by path, as
`PYTHON .../runtime/__main__.py PROGRAM --fd N`, and finds its siblings by relative imports.
"""

"""How many threads numerical libraries may start in a body, so that slots together keep to the processors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

#: What OpenMP, OpenBLAS and MKL read as they are loaded; Dask sets the same three for its workers.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def native_thread_limits(slots: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for bodies on nodes of this machine, with so many slots: each gets its part of the processors.

    Where every slot has all of them, or the user has set one of these variables, there are none. By themselves
    such libraries start a thread for each processor in every process, and their threads wait for each other busily.
    """
    if slots <= 1 or any(name in environment for name in VARIABLES):
        return {}
    return dict.fromkeys(VARIABLES, str(max(1, len(os.sched_getaffinity(0)) // slots)))


@contextlib.contextmanager
def with_variables(settings: Mapping[str, str]) -> Iterator[None]:
    """Have these variables meanwhile, and the environment as it was afterwards."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def no_native_threads() -> contextlib.AbstractContextManager[None]:
    """Let numerical libraries that are imported meanwhile start no threads: Dask imports NumPy where there is one."""
    return with_variables(dict.fromkeys(VARIABLES, "1"))

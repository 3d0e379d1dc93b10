"""A file that cannot be imported, beside one that can."""

import no_such_module  # noqa: F401

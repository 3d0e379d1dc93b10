"""What all tests share."""

from hypothesis import settings

# A shared machine may be slow at any moment; a deadline would be an assertion on seconds.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")

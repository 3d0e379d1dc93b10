"""What all tests share."""

from hypothesis import settings

# A shared machine may be slow at any moment; a deadline would be an assertion on seconds. Each run looks at other
# examples, so that many runs of few find what a single one of many does.
settings.register_profile("shared_machine", deadline=None, max_examples=40)
settings.load_profile("shared_machine")

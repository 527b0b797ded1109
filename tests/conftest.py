"""Settings for all tests."""

import hypothesis

# Machines that run these tests are small and shared; how long one example takes says nothing there.
hypothesis.settings.register_profile("shared-machine", deadline=None)
hypothesis.settings.load_profile("shared-machine")

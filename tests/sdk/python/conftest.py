"""Settings of the SDK's tests: none of the developer's own credentials may leak in."""

import os

for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
    del os.environ[name]

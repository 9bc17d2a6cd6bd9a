"""Front ends for CI systems: the same check, and its outcome where each system looks for it."""

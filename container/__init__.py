"""What makes the official image: a root without shell and package manager, prepared outside any container."""

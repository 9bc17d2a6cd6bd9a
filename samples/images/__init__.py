"""Small OCI images from values: entries become layers, then images (`builder`), then files (`layout`)."""

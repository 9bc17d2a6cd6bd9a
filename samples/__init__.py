"""Samples: images, advisory databases for both scanners, policies, Dockerfiles; a test runs every one."""

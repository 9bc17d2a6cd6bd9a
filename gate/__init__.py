"""image-gate decides whether a container image may go further: pass, fail or unknown, with reasons."""

__version__ = "0.1.0"

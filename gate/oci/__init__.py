"""The OCI vocabulary: bytes in, values out, no network."""

"""A small list of real advisories, written as the databases that Trivy and Grype read."""

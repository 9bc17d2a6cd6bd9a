"""The policy: what is required of which images, how strictly, and the dated exceptions.

`policy.py` holds `Policy` and is the place to start; `load.py` reads it from a file or a profile, `document.py` reads
YAML, `schema.py` says what a policy file may hold.
"""

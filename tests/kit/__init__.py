"""Simulators and hostile inputs for the tests.

The honest image builder they build upon is `samples.images`.
"""

"""The configuration: checked once as a whole, then handed to each stage as a slice.

A slice holds what changes a stage's result and nothing else, so that a change of the configuration
plans exactly the jobs it touches.
"""

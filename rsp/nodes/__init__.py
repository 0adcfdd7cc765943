"""Several nodes that serve one site: what they and their operators agree on by way of an engine (docs/many-nodes.md).

Rules of this room: structures, decisions and the local copies; no processes, no loops.  What comes from the engine is
decoded strictly, and nothing in it is taken for a path or for a time of day.
"""

"""What a level says for all its locations: who comes in, fields, types, times, and the settings of the whole file.

Imports values and syntax.
"""

"""The Lua side: a sandboxed runtime, and the vocabulary that configuration files are written in.

``sandbox.lua``  what user code may reach: pure libraries, ``require`` and ``dofile`` beside the file
``vocabulary.lua``  ``listen``, ``upstream``, ``route`` and the recording of globals, with source positions
``evaluate``  runs a configuration file and returns its declarations as plain data

lupa is imported when a file is evaluated, never by the master.
"""

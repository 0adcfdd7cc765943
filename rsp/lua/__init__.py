"""The Lua side: a sandboxed runtime, the vocabulary that configuration files are written in, and hooks.

``runtime``  one Lua state with the rooms below in it
``evaluate``  runs a configuration file: its declarations as plain data, its functions as hooks
``services``, ``regexes``  what Lua asks of Python
``patterns``  Lua's patterns, with a bound on their work

``sandbox.lua``  what user code may reach: pure libraries, ``require`` and ``dofile`` beside the file
``driver.lua``  coroutines, budgets, waiting
``libraries.lua``, ``matching.lua``  the standard libraries; no function of theirs works for long
``vocabulary.lua``  ``listen``, ``upstream``, ``route`` and the recording of globals, with source positions
``objects.lua``, ``fields.lua``, ``targets.lua``, ``bags.lua``  ``req`` and ``res``, and what they are made of
``answers.lua``, ``calls.lua``, ``state.lua``, ``tools.lua``, ``json.lua``, ``helpers.lua``  the words of hooks
``phases.lua``  what the host calls
``reads.lua``  what functions miss, found before they run

lupa is imported when a file is evaluated: by the loader, and by workers if there are hooks; never by the master.
"""

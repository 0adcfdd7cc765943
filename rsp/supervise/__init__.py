"""The master's parts: its children, their listeners, configurations on their way to them, upgrades."""

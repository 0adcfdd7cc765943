"""What all files of this folder raise where routes of rsp cannot say something."""


class Inexpressible(Exception):
    """No route of rsp can say this; the message says why, as half a sentence."""

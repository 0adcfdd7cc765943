"""``rsp demo``: small backends, rsp in front of them, and a page on which to watch both and to break things.

``command``    arguments, and the order in which things start and end
``site``       the configuration: the built-in one or the user's, and the changes that the page can make to it
``backends``   the backends' processes; ``backend``: the program of one of them
``proxy``      the process of rsp
``load``       requests to rsp, and the count of their outcomes
``live``       the page's server
``ports``      free ports
"""

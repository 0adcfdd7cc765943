"""What rsp says: messages, access logs, and the descriptors that they go to.

``log``         messages
``access_log``  a line for each request
``combined``    how that line is made (and ``combined.pyx``, the compiled twin)
``outlet``      descriptors that never block
"""

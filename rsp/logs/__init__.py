"""What rsp says: messages, access logs, and the descriptors that they go to.

``log``           messages about rsp itself; ``json_lines``: as records
``access_log``    where lines about requests go; ``access_logs``: all of a worker
``combined``, ``json_line``  how such a line is made (with compiled twins)
``secrets``       what may not be in it; ``suspicion``: a quick look whether there is any
``outlet``        descriptors that never block; ``datagrams``: daemons that lines are sent to
"""

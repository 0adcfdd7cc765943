"""The control process: what an instance does once, not in every worker.

``process``   the process: its loop, what the master tells it
``dns``       names of peers, looked up and followed
``health``    active checks
``outliers``  peers that do worse than their siblings
``state``     the scoreboard and the members, as operators see them; what operators may change
``admin``     the unix socket that ``rspctl`` talks to
``web``, ``web_server``, ``hosts``, ``sites``  HTTP for it, and at the addresses of metrics and the dashboard
``metrics``, ``measured``, ``exposition``  a scrape: its text, what is measured, how it is written
``watching``, ``watch_stream``  what workers show of single requests, and how ``rspctl`` gets it
``export``, ``span_queue``, ``otlp``  the way of spans to a collector
``figures``, ``live``, ``history``, ``recent``  what is counted, what has been, what has happened lately
``dashboard``, ``panel``, ``page/``  the dashboard: its site, its parts at work, what a browser gets

It writes marks into the scoreboard and tells the master the addresses of names.  No byte of traffic passes through it,
so when it dies or hangs, workers go on with what they know.
"""

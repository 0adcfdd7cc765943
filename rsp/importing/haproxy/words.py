"""Directives of haproxy.cfg that need no translation, and those of which the user is told something."""

from typing import Final

from rsp.importing.wordlist import words as word_set

DROPPED: Final = word_set(
    """
    log log-tag log-format log-format-sd error-log-format unique-id-format unique-id-header log-send-hostname nbproc
    nbthread thread-groups cpu-map chroot daemon pidfile user group uid gid ulimit-n maxconn maxsslconn maxconnrate
    maxsessrate maxpipes spread-checks hard-stop-after backlog description id node localpeer bind-process unix-bind
    master-worker mworker-max-reloads insecure-fork-wanted setenv presetenv resetenv unsetenv default-path
    http-reuse max-keep-alive-queue load-server-state-from-file server-state-file server-state-base
    server-state-file-name fullconn grace monitor-net retries retry-on persist ca-base crt-base rate-limit
    ssl-default-bind-ciphers ssl-default-bind-ciphersuites ssl-default-bind-options ssl-default-bind-curves
    ssl-default-server-ciphers ssl-default-server-ciphersuites ssl-default-server-options ssl-server-verify
    ssl-dh-param-file ssl-mode-async ssl-load-extra-files ssl-skip-self-issued-ca strict-limits numa-cpu-mapping
    profiling.tasks debug quiet zero-warning h1-case-adjust h1-case-adjust-file
    h2-workaround-bogus-websocket-clients set-dumpable email-alert declare use-server-state capture tune
    expose-experimental-directives no noexpose external-check httpclient.ssl.verify httpclient.resolvers.prefer
    limited-quic limit-quic issuers-chain-path max-spread-checks compression-level wurfl-data-file
    maxcompcpuusage maxcomprate maxzlibmem force-persist ignore-persist harden.reject-privileged-ports.tcp
    close-spread-time fd-hard-limit anonkey maxsslrate stats-file dispatch-none ssl-engine ssl-default-server-curves
    dynamic-cookie-key clitcpka-cnt clitcpka-idle clitcpka-intvl srvtcpka-cnt srvtcpka-idle srvtcpka-intvl
    hash-balance-factor hash-preserve-affinity
    """
)
DROPPED_OPTIONS: Final = word_set(
    """
    httplog tcplog httpslog dontlognull dontlog-normal logasap log-separate-errors log-health-checks
    http-server-close httpclose http-keep-alive forceclose http-tunnel redispatch tcpka clitcpka srvtcpka
    tcp-smart-accept tcp-smart-connect splice-auto splice-request splice-response contstats http-no-delay
    http-pretend-keepalive http-ignore-probes http-use-htx prefer-last-server persist allbackups abortonclose
    nolinger socket-stats independent-streams idle-close-on-response h1-case-adjust-bogus-client
    h1-case-adjust-bogus-server http-use-proxy-header accept-invalid-http-request accept-invalid-http-response
    checkcache http-buffer-request disable-h2-upgrade http-restrict-req-hdr-names use-small-buffers tcp-check
    accept-unsafe-violations-in-http-request accept-unsafe-violations-in-http-response http-drop-request-trailers
    http-drop-response-trailers
    """
)
NOTES: Final = {
    "stats": 'HAProxy\'s page of statistics is not there; rsp has rspctl top, and dashboard = "127.0.0.1:9146"',
    "errorfile": 'an errorfile is a whole response; rsp\'s is a body: page { status = 503, file = "503.html" }',
    "errorfiles": 'an errorfile is a whole response; rsp\'s is a body: page { status = 503, file = "503.html" }',
    "errorloc": 'rsp answers with a page where HAProxy redirects: page { status = 503, file = "503.html" }',
    "errorloc302": 'rsp answers with a page where HAProxy redirects: page { status = 503, file = "503.html" }',
    "errorloc303": 'rsp answers with a page where HAProxy redirects: page { status = 503, file = "503.html" }',
    "http-error": 'an http-error is a whole response; rsp has a body: page { status = 503, file = "503.html" }',
}
OTHER_SECTIONS: Final = {
    "peers": "tables are not shared with other nodes; rsp's rate limits can be: rate_limit = { cluster = ... }",
    "resolvers": "rsp looks names up by itself, with the servers of /etc/resolv.conf or dns = { servers = ... }",
    "mailers": "rsp sends no mail; alert on its metrics instead",
    "cache": "rsp has no cache of responses: each request goes to a peer",
    "program": "rsp starts no other programs",
    "ring": "rsp logs to standard output, files, syslog or the journal: access_log",
    "traces": "rspctl trace shows where the time of requests goes",
    "log-profile": "rsp's access logs have formats of their own: access_log",
}

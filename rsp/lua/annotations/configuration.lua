---@meta
-- Every key of a configuration, for the Lua language server.
-- Generated from rsp/config/schema.py by `make docs`; do not edit.  docs/configuration.md has the same as tables.

---@alias rsp.duration number|string seconds, or a text such as "500ms", "10s", "5m", "1h", "1d"
---@alias rsp.size integer|string bytes, or a text such as "64KB", "10MB", "1GB"

---An address that clients connect to.
---@class rsp.config.Listener
---@field [1]? string|integer `address`
---@field address? string|integer Address to listen on: `"host:port"`, `"[v6]:port"`, `"unix:/path"`, a port alone for all IPv4 addresses, or `"systemd:name"` for sockets that systemd passes.
---@field backlog? integer Length of the queue of connections that wait to be accepted, for each worker. Default: `4096`.
---@field tls? boolean Whether clients use TLS on this listener; see `certificate` and `tls`. Default: `false`.
---@field http2? boolean|"prior-knowledge" Whether clients may use HTTP/2. With `tls`, selected by ALPN: `true` by default. Without `tls`: `false` by default; `"prior-knowledge"` accepts HTTP/1 and HTTP/2; see http2.md.
---@field redirect? "https" `"https"`: answer every request with a redirect (308) to the same URL with https://.
---@field proxy_protocol? rsp.config.ProxyProtocol Accept the PROXY protocol, in which a proxy in front of rsp sends the client's address; see proxy-protocol.md.
---@field timeouts? rsp.config.Timeouts Overrides `timeouts` for this listener.
---@field limits? rsp.config.Limits Overrides `limits` for this listener.

---A named group of backends that requests are balanced over.
---@class rsp.config.Upstream
---@field [integer] string|rsp.config.UpstreamPeer a peer
---@field discover? string|rsp.config.Discover Service discovery: a URL from which further peers are read, such as `"etcd://10.0.0.5:2379/services/app/"`, or a table; see discovery.md.
---@field tls? boolean|rsp.config.UpstreamTls Whether connections to peers use TLS: `true` (with verification), or a table. Default: `false`.
---@field http? 1|2|"auto" HTTP version for peers: `1`, `2`, or `"auto"`, the version that the peer selects in the TLS handshake; see http2.md. Default: `1`.
---@field protocol? "http"|"fastcgi"|"uwsgi" Protocol of the peers: `"http"`, `"fastcgi"` (PHP-FPM) or `"uwsgi"`; see fastcgi.md. Default: `"http"`.
---@field root? string With `fastcgi`: the directory of the scripts as the peers see it, such as `"/srv/www"`. rsp looks in the same directory for whether a script exists; see fastcgi.md.
---@field split? string With `fastcgi`: the extension of scripts. The part of a path after it becomes PATH_INFO. `""`: there are no scripts, and the whole path is PATH_INFO. Default: `".php"`.
---@field index? string With `fastcgi`: the script for a path that does not name one: in the directory of the path, otherwise in `root`. Default: `"index.php"`.
---@field pages? string[] With `fastcgi`: paths that PHP-FPM answers by itself, without a script (`ping.path`, `pm.status_path`): `{ "/status" }`.
---@field params? table<string, string> With `fastcgi` and `uwsgi`: variables of your own for the peers, which replace those of rsp: `{ APP_ENV = "live" }`. Values may contain placeholders; see fastcgi.md.
---@field send_proxy? "v1"|"v2" Version of the PROXY header that begins each connection to a peer and contains the client's address. Such a connection is used for one client connection only; see proxy-protocol.md.
---@field policy? "round_robin"|"least_conn"|"random2"|"ewma"|"hash"|"sticky" Load balancing policy; see balancing.md. Default: `"round_robin"`.
---@field key? string Key of the policy `hash`: `client`, `uri`, `path`, `host`, `header:NAME` or `cookie:NAME`; or a text with placeholders such as `{host}{path}`. Default: `"client"`.
---@field sticky? boolean|string|rsp.config.Sticky Session affinity by a cookie, with any policy: `true`, the name of the cookie, or a table. Default: `false`.
---@field max_conns? integer Concurrent requests to each peer, counted over all workers. `0`: no limit. Default: `0`.
---@field max_connecting? integer Connections to each peer that may be in the process of being opened, counted over all workers. `0`: no limit. Default: `0`.
---@field queue? rsp.config.Queue
---@field slow_start? rsp.duration Ramp-up time to full weight for a new or recovered peer. `0`: full weight at once. Default: `"0s"`.
---@field failures? rsp.config.Failures
---@field outliers? boolean|rsp.config.Outliers Outlier detection: `true`, or a table. Default: `false`.
---@field health? string|rsp.config.Health Active health checks: a path to request, `"tcp"`, `"grpc"`, or a table. Default: no checks.
---@field retry? rsp.config.Retry
---@field hedge? boolean|rsp.config.Hedge Hedging: `true`, or a table. Default: `false`.
---@field drain? rsp.duration How long sticky clients and tunnels may continue to use a peer that is drained or removed. Default: `"30s"`.
---@field keepalive? integer Idle connections that each worker keeps open to each peer. Default: 64; with `fastcgi` and `uwsgi` 0, because each connection occupies a process of PHP-FPM.
---@field keepalive_age? rsp.duration Age at which a connection to a peer is closed after its current request. `0`: no limit. Default: `"3600s"`.
---@field strict? boolean Whether responses with clear protocol errors, such as bare LF or folded fields, are refused; see http.md. Default: `false`.
---@field warm? integer Idle connections that each worker opens in advance to each peer that has traffic. Default: `0`.

---A rule that sends matching requests to an upstream, or answers them. The most specific `host` wins, then `exact`, then `regex` in order of declaration, then the longest `path`.
---@class rsp.config.Route
---@field to? string Name of the upstream that answers.
---@field redirect? string|rsp.config.Redirect Redirect, instead of `to`: a URL, or a table such as `{ to = "...", status = 308 }`.
---@field respond? rsp.config.Respond Fixed response, instead of `to`: `{ status = 410, body = "gone" }`.
---@field split? rsp.config.Split Traffic split, instead of `to`: several upstreams, each with a share of the requests or clients.
---@field files? string|rsp.config.Files Static files, instead of `to`: a directory such as `"/srv/www"`, or a table. The prefix `path` is removed before the file is looked up; `exact` and `regex` remove nothing. See files.md.
---@field fallback? string With `files`: the file that is served with status 200 for a path that has no file, such as `"/index.html"`.
---@field else_to? string With `files`: name of the upstream for paths that have no file and for methods other than GET and HEAD. The path is passed unchanged. Default: such requests get 404 or 405.
---@field else_rewrite? string With `else_to`: the path that the upstream is asked for, in place of the request's, with placeholders: `"/index.php{path}"`, `"/index.php?page={path}"`. Paths in its query are decoded first.
---@field host? string|string[] Host names without a port: a name, `*.example.com` (subdomains of any depth), `app.*` (any domain), or a list of these. Default: every host.
---@field listener? string|string[] Listeners whose requests match: an address as written in `listen`, such as `"0.0.0.0:8080"`, or a list of these. Default: every listener.
---@field path? string Path prefix. `/api` matches `/api` and `/api/x`, but not `/apifoo`; `/api/` matches paths that begin with it. The normalised path must match as well. `*` is not a wildcard. Default: `"/"`.
---@field exact? string Exact path, instead of `path`. It takes precedence over `regex` and `path`.
---@field regex? string Regular expression (RE2 syntax), instead of `path`. It may match anywhere in the path. Its groups are available as `{1}`, or `{name}` for `(?P<name>...)`. Expressions are tried in order of declaration, after `exact` and before `path`.
---@field slash? "redirect" `"redirect"`: with `path = "/docs"`, a request for `/docs` is redirected to `/docs/`, with its query.
---@field methods? string[] Methods that match: `{ "GET", "POST" }`. GET includes HEAD. Default: all.
---@field headers? table<string, string|boolean|string[]|rsp.config.ValueMatch> Condition on header fields of the request (`request_headers` and `response_headers` change fields): `{ ["X-Beta"] = "1" }`. `true`: the field must be present; `false`: it must be absent; a list: one of these values; a table such as `{ contains = "bot" }`: see below. See also routes.md.
---@field query? table<string, string|boolean|string[]|rsp.config.ValueMatch> Condition on query parameters, percent-decoded, with values as for `headers`: `{ v = "2" }`.
---@field cookies? table<string, string|boolean|string[]|rsp.config.ValueMatch> Condition on cookies of the request, with values as for `headers`: `{ beta = "1" }`.
---@field client? string[] Client addresses and networks that match: `{ "10.0.0.0/8" }`. Default: all. See also `trusted`.
---@field client_ca? string PEM file with the certificate authorities that must have issued the client's certificate (mTLS). All routes of a host must have the same value. Requests over plain HTTP get 403; requests on a connection that was verified for another host get 421.
---@field client_crl? string PEM file with certificate revocation lists for `client_ca`. Certificates from an authority without a current list are refused.
---@field client_verify? "required"|"optional" `required`: clients must present a certificate; `optional`: clients without a certificate are served, too. An invalid certificate is always refused. Default: `"required"`.
---@field hsts? boolean|string|rsp.config.Hsts Overrides the setting `hsts` for this route.
---@field strip? boolean Whether `path` is removed from the path that the peer gets. The removed prefix is sent as X-Forwarded-Prefix. See values. Default: `false`.
---@field rewrite? string Replacement for `path` in the request to the peer, such as `/v2`. With `exact`, `regex`, `{path}` or `{uri}` it replaces the whole path, as in `/users/{1}`. See values.
---@field rewrite_location? boolean With `strip` or `rewrite`: whether paths in response fields (Location, Content-Location, Refresh, and path and domain of cookies) are changed back to those that the client uses. Default: `false`.
---@field first? boolean With `path`: take precedence over every `regex` if this is the longest matching path (nginx: `^~`). Default: `false`.
---@field send_host? string Host that the peer gets. Default: the Host of the client's request.
---@field request_headers? rsp.config.HeaderRules Changes to the header fields of the request to the peer.
---@field response_headers? rsp.config.ResponseRules Changes to the header fields of the response to the client.
---@field allow? string|string[] Clients that are served: `"10.0.0.0/8"`, `"file:office.txt"`, or a list. Other clients get 403. See access.md.
---@field deny? string|string[] Clients that get 403, written as in `allow`. It takes precedence over `allow`.
---@field country? rsp.config.Country Access by country of the client, from a MaxMind database, in addition to `allow` and `deny`.
---@field auth? rsp.config.Auth Authentication by password, by token, or by another service.
---@field any? boolean Whether one of `allow`, `country` and `auth` is enough. `false`: all that are given must pass. Default: `false`.
---@field rate_limit? rsp.config.RateLimit|rsp.config.RateLimit[] Rate limit, counted over all workers. A list: every limit must be met.
---@field concurrency? rsp.config.Concurrency|rsp.config.Concurrency[] Limit of concurrent requests, counted over all workers. A list: every limit must be met.
---@field bandwidth? rsp.config.Bandwidth Limit of the transfer rate of bodies.
---@field cors? rsp.config.Cors Cross-origin resource sharing (CORS).
---@field security_headers? boolean|rsp.config.SecurityHeaders Security header fields for responses: `true`, or a table.
---@field request_buffering? boolean Whether the whole request body is read before the request is sent to a peer. It is kept in memory up to `limits.buffer`, beyond that in a temporary file. gRPC calls and upgrades are never buffered. Default: `false`.
---@field response_buffering? boolean|integer|string How much of a response is read from the peer ahead of a slow client: a size such as `"64MB"`, or `true` for 64 MB. Beyond `limits.buffer` it is kept in a temporary file. Buffering does not delay the response. Default: `false`.
---@field compress? boolean|rsp.config.Compress Overrides the setting `compress` for this route. See compression.md.
---@field mirror? rsp.config.Mirror Copies of requests to another upstream.
---@field failover? rsp.config.Failover Another upstream that requests are sent to when this one fails.
---@field maintenance? boolean|string Maintenance mode: `true`, or `"file:/run/maintenance"` for as long as that file exists. All requests get 503. Default: `false`.
---@field fault? rsp.config.Fault Fault injection: delays and errors for testing clients.
---@field timeouts? rsp.config.Timeouts Overrides `body`, `connect`, `response`, `read`, `send`, `half_close`, `request` and `tunnel` of the setting `timeouts`.
---@field limits? rsp.config.Limits Overrides `body` and `min_rate` of the setting `limits`.
---@field name? string Name of the route in metrics and logs. Default: host and path as written; `#2` is appended to a second route with the same name.
---@field metrics? boolean Whether the route has its own histograms in the metrics. Default: `false`.
---@field access_log? string|rsp.config.AccessLog|(string|rsp.config.AccessLog)[] Overrides the setting `access_log` for this route.
---@field on_request? fun(req: rsp.Request): any Hook for requests, `function(req)`; lua.md describes all hooks.
---@field on_upstream? fun(req: rsp.Request, peers: rsp.Peer[]): any Hook that chooses the peer, `function(req, peers)`.
---@field on_response? fun(req: rsp.Request, res: rsp.Response): any Hook for responses, `function(req, res)`.
---@field on_error? fun(req: rsp.Request, err: rsp.Error): any Hook for error responses of rsp, `function(req, err)`.
---@field on_log? fun(req: rsp.Request, res: rsp.Response) Hook at the end of a request, `function(req, res)`.
---@field fail_open? boolean Overrides `lua.fail_open` for this route.

---A certificate for clients, selected by the names that it contains.
---@class rsp.config.Certificate
---@field [1]? string `file`
---@field file? string PEM file with the certificate, its chain, and the key unless `key` is set; or a pattern that matches several such files: `"/etc/rsp/*.pem"`. Relative to the configuration file.
---@field key? string PEM file with the private key.
---@field password? string File with the passphrase of an encrypted key.

---An error page, which replaces the plain text of rsp's own responses with a given status.
---@class rsp.config.Page
---@field status integer|integer[] Status, or a list of statuses: `404`, `{ 502, 503, 504 }`.
---@field file? string File with the page, relative to the configuration file. It is read when the configuration is loaded. `{status}` and `{request_id}` in it are replaced.
---@field body? string The page itself, instead of `file`. `{status}` and `{request_id}` in it are replaced.
---@field type? string Content-Type. Default: `"text/html; charset=utf-8"`.

---A Redis or Valkey server for state that several instances share: `shared(..., { store = "main" })`, `cluster = "main"`.
---@class rsp.config.Store
---@field [1]? string `url`
---@field username? string User name: etcd, Redis, HTTP.
---@field password? string Password. `password_file` is safer.
---@field password_file? string File with the password. It is read again when it changes; read permission for root is enough.
---@field token? string Token: Consul, Kubernetes, HTTP. `token_file` is safer.
---@field token_file? string File with the token. It is read again when it changes; read permission for root is enough.
---@field tls? rsp.config.UpstreamTls TLS options for URLs with TLS (`etcds://`, `rediss://`, `https://`), with the keys of `tls` of an upstream. Default: verification with the certificate authorities of the system.
---@field timeout? rsp.duration Timeout for a response of each endpoint. Default: `"5s"`.
---@field url? string URL of the server: `"redis://10.0.0.5:6379/0"`, `"rediss://..."` (TLS), `"redis+sentinel://10.0.0.5:26379,10.0.0.6:26379/mymaster/0"` or `"redis+unix:///run/redis.sock"`.

---The PROXY protocol, version 1 or 2: which client connections begin with a PROXY header.
---@class rsp.config.ProxyProtocol
---@field from string[] Addresses and networks of the proxies that send the header: `{ "10.0.0.0/8" }`; `"unix:"` for connections to a unix socket. Connections from them must begin with the header; connections from other addresses must not.

---Timeouts. They are precise to one second. `response`, `read`, `body`, `request` and `connect` are never early.
---@class rsp.config.Timeouts
---@field head? rsp.duration Time for a request head to arrive, from its first byte. After that the client gets 408. Default: `"10s"`.
---@field handshake? rsp.duration Time for a TLS handshake with a client or a peer. After that the connection is closed. Default: `"10s"`.
---@field body? rsp.duration Time between two reads of a request body. After that the client gets 408. See also `limits.min_rate`. Default: `"30s"`.
---@field idle? rsp.duration Time for the next request on an open client connection. After that the connection is closed. Default: `"75s"`.
---@field connect? rsp.duration Time to connect to a peer. After that the next peer is tried; if none is left, the client gets 504. Default: `"3s"`.
---@field response? rsp.duration Time until the response head of a peer. After that the client gets 504. Default: `"60s"`.
---@field read? rsp.duration Time between two reads of a response body. After that the connection is closed. Default: `"60s"`.
---@field send? rsp.duration Time during which a client may read a response more slowly than `limits.min_rate`. After that the connection is closed. Default: `"60s"`.
---@field half_close? rsp.duration Time during which a request continues without anything to send, once the client has closed its sending side. After that the request ends with status 499, up to a second late. `0`: no limit. Default: `"1s"`.
---@field request? rsp.duration Time for a whole request, from its head to the end of the response. After that the client gets 504, or the connection is closed if the response has begun. `0`: no limit. Default: `"0s"`.
---@field tunnel? rsp.duration Idle timeout of an upgraded connection, and of a gRPC call, where it replaces `body` and `read`. After that the connection is closed. Default: `"3600s"`.
---@field keepalive? rsp.duration Idle timeout of a connection to a peer. Default: `"60s"`.
---@field shutdown? rsp.duration Time for running requests to finish when rsp or a worker stops. After that their connections are closed. Default: `"30s"`.

---Largest sizes and numbers.
---@class rsp.config.Limits
---@field line? rsp.size Largest request line. A longer line gets 414. Default: `"8KB"`.
---@field head? rsp.size Largest head. A larger request head gets 431, a larger response head 502. Default: `"32KB"`.
---@field fields? integer Number of header fields in a head. A request with more gets 431, a response with more becomes 502. Default: `100`.
---@field body? rsp.size Largest request body. A larger body gets 413. `0`: no limit. Default: `"0"`.
---@field min_rate? rsp.size Lowest average rate, in bytes a second, at which a client must send a body that has a length, or read a response. `0`: no lower limit. Default: `"100"`.
---@field buffer? rsp.size Bytes that are buffered for a slow peer or client before reading from the other side pauses. Default: `"64KB"`.
---@field connections? integer Client connections of each worker. Further connections get 503. `0`: as many as the limit of open files allows, which is also the upper bound. Default: `0`.
---@field per_client? integer Connections from one client address to each worker, except from `trusted` addresses. Further ones get 503. `0`: no limit. Default: `0`.
---@field temp? rsp.size Size of the temporary files of all workers together, which hold bodies for `request_buffering` and `response_buffering`. Above it, requests get 503, and less of the responses is buffered. Default: `"1GB"`.
---@field streams? integer Concurrent requests on one HTTP/2 connection. Further ones are refused with REFUSED_STREAM. Default: `128`.

---One backend of an upstream, or a DNS name that resolves to several.
---@class rsp.config.UpstreamPeer
---@field [1]? string `address`
---@field address? string Address of the peer: `"host:port"`, `"[v6]:port"`, `"unix:/path"`, or `"srv:_http._tcp.example.com"`. A name that resolves to several addresses gives one peer for each.
---@field weight? integer Share of the requests relative to the other peers' weights. Default: `1`.
---@field backup? boolean Whether the peer gets requests only while no other peer is available. Default: `false`.
---@field max_conns? integer Concurrent requests to this peer, counted over all workers. `0`: no limit. Default: `max_conns` of the upstream.

---Service discovery: the source from which the peers of an upstream are read, and followed as they change.
---@class rsp.config.Discover
---@field username? string User name: etcd, Redis, HTTP.
---@field password? string Password. `password_file` is safer.
---@field password_file? string File with the password. It is read again when it changes; read permission for root is enough.
---@field token? string Token: Consul, Kubernetes, HTTP. `token_file` is safer.
---@field token_file? string File with the token. It is read again when it changes; read permission for root is enough.
---@field tls? rsp.config.UpstreamTls TLS options for URLs with TLS (`etcds://`, `rediss://`, `https://`), with the keys of `tls` of an upstream. Default: verification with the certificate authorities of the system.
---@field timeout? rsp.duration Timeout for a response of each endpoint. Default: `"5s"`.
---@field url string URL of the source: `"etcd://10.0.0.5:2379/services/app/"`, `"consul://127.0.0.1:8500/app"`, `"kubernetes:///namespace/service"`, `"docker:///var/run/docker.sock"`, `"file:///etc/rsp/app.json"`, or `"https://config.example.com/app.json"`; see discovery.md.
---@field minimum? integer Lowest plausible number of members. A result with fewer, and with fewer than before, is used only after it has been stable for `doubt`. `0`: every result is used at once, even an empty one. Default: `1`.
---@field doubt? rsp.duration How long a result with fewer than `minimum` members must be stable before it is used. Default: `"60s"`.
---@field port? integer|string Port of members for which the source does not state one, or the name of one of several ports.
---@field interval? rsp.duration Polling interval for sources that cannot report changes (HTTP). Default: `"5s"`.
---@field tags? string[] Consul: tags that a member must have.
---@field labels? table<string, string> Docker, Kubernetes: labels that a member must have.
---@field network? string Docker: network whose addresses are used. Default: the only network of the container.

---TLS to the peers of an upstream.
---@class rsp.config.UpstreamTls
---@field name? string Name that the peer's certificate must contain, which is also sent as SNI. Default: host name or IP address in the peer's address. Required for unix sockets.
---@field verify? boolean Whether the peer's certificate is verified. Default: `true`.
---@field ca? string PEM file with the trusted certificate authorities. Default: those of the system.
---@field crl? string PEM file with certificate revocation lists.
---@field certificate? string PEM file with the client certificate that rsp presents to the peer, and its key unless `key` is set.
---@field key? string PEM file with the private key of `certificate`.
---@field password? string File with the passphrase of an encrypted key.
---@field min? "1.2"|"1.3" Lowest TLS version. Default: `"1.2"`.

---Session affinity: a signed cookie keeps a client on the same peer for as long as that peer is available.
---@class rsp.config.Sticky
---@field cookie? string Name of the cookie. Default: `"rsp_peer"`.
---@field secret? string Key that signs the cookie. Default: a random key made at start; after a restart, clients may be sent to another peer. Several instances of rsp need the same secret.
---@field max_age? rsp.duration How long a browser keeps the cookie. Default: until the browser is closed.
---@field path? string Path attribute of the cookie. Default: `"/"`.
---@field secure? boolean Whether the cookie has the Secure attribute, so that browsers send it over TLS only. Default: `false`.

---The queue of requests that wait while every peer has reached `max_conns`.
---@class rsp.config.Queue
---@field size? integer Number of requests that may wait in each worker. Further requests get 503. Default: `1024`.
---@field timeout? rsp.duration How long a request may wait. After that it gets 503. Default: `"5s"`.

---Passive health checks: a peer is ejected after failures of real requests. A failure is no connection, no response in time, or an incomplete response. When the ejection ends, one request is sent as a test: a response brings the peer back, a failure doubles the ejection time.
---@class rsp.config.Failures
---@field count? integer Number of consecutive failures, counted over all workers, that eject a peer. `0`: never eject. Default: `3`.
---@field within? rsp.duration Failures older than this are not counted. Default: `"10s"`.
---@field out? rsp.duration Length of the first ejection. Default: `"1s"`.
---@field longest? rsp.duration Longest ejection. Default: `"60s"`.
---@field share? number Largest share of the peers that may be ejected at the same time, from 0 to 1. At least one peer always stays. Default: `1.0`.

---Outlier detection: a peer that does worse than the other peers of the upstream is ejected. Requests are counted over all workers.
---@class rsp.config.Outliers
---@field errors? number Share of responses with status 500 or above at which a peer is ejected, from 0 to 1. `0`: do not compare errors. Default: `0.3`.
---@field latency? number Eject a peer whose median time to the response head is this many times the median of the other peers. `0`: do not compare latency. Default: `5.0`.
---@field interval? rsp.duration Length of the time window over which peers are compared. Default: `"10s"`.
---@field requests? integer Peers with fewer requests in the interval are not evaluated. Default: `20`.
---@field out? rsp.duration Length of the first ejection. Each further ejection is twice as long. Default: `"10s"`.
---@field longest? rsp.duration Longest ejection. Default: `"300s"`.
---@field share? number Largest share of the peers that may be ejected at the same time, from 0 to 1. At least one peer always stays. Default: `0.5`.

---Active health checks. The control process makes them once for the whole instance.
---@class rsp.config.Health
---@field type? "http"|"tcp"|"grpc" Type of the check. `http`: a request; `tcp`: a connection is enough; `grpc`: the gRPC health checking protocol, `grpc.health.v1`. Default: `"http"`.
---@field service? string With `grpc`: name of the service that must be SERVING. Default: the server as a whole. Default: `""`.
---@field path? string Path of the request. Default: `"/"`.
---@field method? "GET"|"HEAD"|"OPTIONS" Method of the request. Default: `"GET"`.
---@field host? string Host of the request. Default: the address of the peer.
---@field status? integer|string|(integer|string)[] Response statuses that pass the check: `200`, `"200-299"`, or `{ 200, "300-399" }`. Default: `"200-399"`.
---@field body? string Text that the first 64 KB of the response body must contain.
---@field port? integer Port for the checks. Default: the port of the peer.
---@field tls? boolean Whether checks use TLS. Default: as the upstream, with the same verification. `true` for an upstream without `tls`: TLS without verification.
---@field interval? rsp.duration Time between two checks of a peer, varied by up to 10 %. Default: `"5s"`.
---@field timeout? rsp.duration Timeout for one check as a whole. Default: `"2s"`.
---@field rise? integer Consecutive passed checks after which a peer is up again. Default: `2`.
---@field fall? integer Consecutive failed checks after which a peer is down. Default: `3`.
---@field panic? number Panic threshold, from 0 to 1: while fewer than this share of the peers are up, requests also go to peers that respond to checks but fail them. Default: `0.5`.

---When a failed request is sent to another peer. That is the case if no part of it has been sent, or if it is idempotent and no response has begun.
---@class rsp.config.Retry
---@field on? (500|502|503|504|429)[] Response statuses after which an idempotent request is retried on another peer: `{ 502, 503, 504 }`.
---@field on_grpc? ("aborted"|"cancelled"|"deadline_exceeded"|"internal"|"resource_exhausted"|"unavailable"|"unknown")[] gRPC statuses after which a call is retried on another peer: `{ "unavailable" }`. Applies to responses without a message only; see grpc.md.
---@field tries? integer Largest number of peers that are tried for one request. `0`: all peers, at most 1,000. Default: `0`.
---@field budget? number Retry budget: largest share of the requests of the last 10 s that may be retried after they have been sent, from 0 to 1. 10 retries a second are always allowed. `0`: no such retries. Default: `0.2`.
---@field body? rsp.size Largest request body that is kept for a retry. A request with a larger body is not retried once its body has been sent. Default: `"64KB"`.

---Hedging: a second request is sent to another peer when the first takes long, and the first response wins. For safe methods only.
---@class rsp.config.Hedge
---@field percentile? number Hedge once a request has taken longer than this percentile of recent responses. Default: `95.0`.
---@field after? rsp.duration Hedge once a request has taken longer than this. Replaces `percentile`.

---A redirect.
---@class rsp.config.Redirect
---@field to string URL, or path on the same host, with placeholders: `https://www.example.com{path}`. The query of the request is appended unless `to` contains `?`, `{query}` or `{uri}`.
---@field status? 301|302|303|307|308 Status code. 301 and 308 are permanent, 302, 303 and 307 temporary. Default: `302`.

---A response that rsp itself generates.
---@class rsp.config.Respond
---@field status? integer Status code. Default: `200`.
---@field body? string Body, with placeholders. Default: `""`.
---@field type? string Content-Type. Default: `"text/plain; charset=utf-8"`.
---@field headers? table<string, string> Further header fields; values may contain placeholders.

---A traffic split between several upstreams.
---@class rsp.config.Split
---@field to table<string, integer> Upstreams and their weights: `{ a = 90, b = 10 }`.
---@field sticky? boolean Whether a client stays with the upstream of its first request, by a cookie. Default: `false`.

---A directory of static files.
---@class rsp.config.Files
---@field root string The directory, absolute or relative to the configuration file. It is resolved again every second, so a symbolic link such as `current` can be switched.
---@field index? string|string[] File that is served for a directory: its name, or its path below the directory, or a list of which the first existing one is served; `""`: none. Default: `"index.html"`; with `else_to`, none.
---@field extensions? string[] Extensions that the path may leave out: with `{ ".html" }`, `/about` is `about.html` if there is no file `about`. Such a file comes before a directory of the name.
---@field list? boolean Whether a directory without an index is served as a list of its files. Default: `false`.
---@field hidden? boolean Whether files and directories whose name begins with a dot are served. `/.well-known/` is always served. Default: `false`.
---@field hide? string[] Patterns of files that are treated as if they did not exist: `{ "*.php", "private/*" }`.
---@field symlinks? "inside"|"all"|"none" Symbolic links that are followed: `inside`: those that lead to a place below `root`; `all`; `none`. Default: `"inside"`.
---@field precompressed? boolean Whether `app.js.br`, `app.js.zst` or `app.js.gz` is served for `app.js` to clients that accept it. Default: `true`.
---@field cache_control? string|table<string, string> Cache-Control for all files, or by pattern: `{ ["assets/*"] = "max-age=31536000, immutable", ["*.html"] = "no-cache" }`. The longest matching pattern wins. `""`: none.
---@field types? table<string, string> Content-Type by file extension, in addition to the built-in table: `{ glb = "model/gltf-binary" }`.
---@field charset? string The `charset` parameter in the Content-Type of text files. `""`: none. Default: `"utf-8"`.

---A condition on a header field, a query parameter or a cookie. All keys but `except` must match the same value; a list matches if one of its strings does.
---@class rsp.config.ValueMatch
---@field prefix? string|string[] Beginning of the value.
---@field suffix? string|string[] End of the value.
---@field contains? string|string[] Part of the value.
---@field regex? string|string[] Regular expression (RE2 syntax), which may match anywhere in the value; `(?i)` ignores case.
---@field except? string|string[]|rsp.config.ValuePattern What no value may match: a string, a list of strings, or a table with the keys above. Alone, it also holds for requests without a value.

---What a value must be like: all keys must match the same value. A list matches if one of its strings does.
---@class rsp.config.ValuePattern
---@field prefix? string|string[] Beginning of the value.
---@field suffix? string|string[] End of the value.
---@field contains? string|string[] Part of the value.
---@field regex? string|string[] Regular expression (RE2 syntax), which may match anywhere in the value; `(?i)` ignores case.

---HTTP Strict Transport Security (RFC 6797), sent over TLS only.
---@class rsp.config.Hsts
---@field max_age? rsp.duration How long browsers must use TLS only. Default: `"31536000s"`.
---@field subdomains? boolean Whether it also applies to all subdomains. Default: `false`.
---@field preload? boolean Whether the domain may be included in the preload lists of browsers. Default: `false`.

---Changes to the header fields of a request or response: first `remove`, then `set`, then `add`.
---@class rsp.config.HeaderRules
---@field remove? string[] Names of fields to remove: `{ "Cookie", "X-Debug" }`.
---@field set? table<string, string> Fields to set. Existing fields with the same name are replaced: `{ ["X-Env"] = "live", ["X-Client"] = "{client}" }`. See values.
---@field add? table<string, string> Fields to add. Existing fields with the same name stay.

---Changes to the header fields of a request or response: first `remove`, then `set`, then `add`.
---@class rsp.config.ResponseRules
---@field remove? string[] Names of fields to remove: `{ "Cookie", "X-Debug" }`.
---@field set? table<string, string> Fields to set. Existing fields with the same name are replaced: `{ ["X-Env"] = "live", ["X-Client"] = "{client}" }`. See values.
---@field add? table<string, string> Fields to add. Existing fields with the same name stay.
---@field own? boolean With `response_headers`: whether the rules also apply to responses that rsp itself generates, including errors. Default: `true`.

---Access by country of the client (ISO 3166-1 code such as `DE`). An address that the database does not contain has no country.
---@class rsp.config.Country
---@field file string MaxMind database (mmdb) with countries, such as GeoLite2-Country. It is read again when it changes.
---@field allow? string[] Countries whose clients are served: `{ "DE" }`. Clients from other countries get 403. Default: all.
---@field deny? string[] Countries whose clients get 403. It takes precedence over every `allow`.

---Authentication of clients: exactly one of `basic`, `forward` and `jwt`.
---@class rsp.config.Auth
---@field basic? string File with user names and hashed passwords (htpasswd): bcrypt, argon2, sha512-crypt or apr1. It is read again when it changes.
---@field realm? string Name of the protected area, which browsers may show. Default: `"restricted"`.
---@field forward? string Name of the upstream that decides about each request (forward authentication). See forward-auth.md.
---@field path? string With `forward`: path of the request to that upstream, with or without a query. Default: `"/"`.
---@field copy? string[] With `forward`: fields of its response that are copied into the request to the peer. Fields with these names in the client's request are always removed, in every spelling.
---@field style? "forward"|"auth_request" With `forward`: how responses other than 2xx are handled. `forward`: all are passed to the client (Traefik, Caddy); `auth_request`: 401 and 403 are passed, any other status is an error (nginx). Default: `"forward"`.
---@field jwt? rsp.config.Jwt Authentication by signed tokens (JWT) of an identity provider.

---A signed token (JWT, RFC 7519) in `Authorization: Bearer`. The claim `exp` is required; `nbf` and `iat` are checked if present.
---@class rsp.config.Jwt
---@field jwks string Public keys of the issuer (JWKS): a URL such as `"https://id.example.com/jwks.json"`, or a file such as `"file:keys.json"`.
---@field issuer? string Required value of the claim `iss`. Default: any.
---@field audience? string|string[] Required value of the claim `aud`, which may be a list that contains it. For a list of values here, one of them is enough. Default: any.
---@field claims? table<string, string|integer|boolean|string[]> Required values of other claims: `{ role = "admin" }`. A claim that is a list must contain the value; for a list of values here, `{ role = { "admin", "staff" } }`, one of them is enough. A dot leads into a nested claim: `["realm.roles"]`. A token that does not match gets 403.
---@field algorithms? ("RS256"|"RS384"|"RS512"|"PS256"|"PS384"|"PS512"|"ES256"|"ES384"|"ES512"|"EdDSA")[] Signature algorithms that are accepted, regardless of what the token or the key says. Default: `{ "RS256", "ES256", "EdDSA" }`.
---@field leeway? rsp.duration Tolerance for clock differences in `exp`, `nbf` and `iat`. For `nbf` and `iat` it is at least 10 seconds. Default: `"0s"`.
---@field refresh? rsp.duration Time between two fetches of the keys. Default: `"300s"`.
---@field ca? string PEM file with the certificate authorities for the server in `jwks`. Default: those of the system.

---A rate limit: a bucket for each key, shared by all workers. Responses have RateLimit fields.
---@class rsp.config.RateLimit
---@field rate string Rate: `"10r/s"`, `"300r/m"`, `"1000r/h"` or `"50r/d"`. `"10r/s"` means one request every 0.1 s.
---@field key? string Requests with the same value of this text share a bucket. It may contain placeholders. `{client}` is the client's IPv4 address, or the /64 network of its IPv6 address. Default: `"{client}"`.
---@field burst? integer Number of requests above the rate that pass at once. Requests are never delayed. Default: `0`.
---@field status? integer Status for requests above the limit. The response has a Retry-After field. Default: `429`.
---@field cluster? string|boolean One limit for several instances of rsp, counted in Redis: the name of a `store`, its URL, or `true` for the only `store` in the file. See many-nodes.md. Default: `false`.

---A limit of concurrent requests with the same key, over all workers. An upgraded connection counts as one request for as long as it is open.
---@class rsp.config.Concurrency
---@field max integer Largest number of concurrent requests.
---@field key? string Requests with the same value of this text are counted together, as in `rate_limit`. Default: `"{client}"`.
---@field status? integer Status for requests above the limit. Default: `503`.

---Limits for the transfer rate of request and response bodies.
---@class rsp.config.Bandwidth
---@field down? rsp.size Rate of response bodies, in bytes a second. Default: no limit.
---@field up? rsp.size Rate of request bodies, in bytes a second. Default: no limit.
---@field key? string Requests with the same value of this text share the rate, over all workers. It may contain placeholders. Default: each request has the whole rate.

---Cross-origin resource sharing (CORS): what web pages of other origins may do. rsp answers preflight requests and adds the CORS fields to all responses of the route.
---@class rsp.config.Cors
---@field origins string[] Origins whose pages may read responses: `{ "https://app.example.com", "https://*.example.org" }`, or `{ "*" }` for all.
---@field methods? string[] Methods that pages may use in addition to GET, HEAD and POST, which are always allowed: `{ "PUT", "DELETE" }`.
---@field headers? string[] Request fields that pages may set: `{ "Authorization" }`, or `{ "*" }` for all.
---@field expose? string[] Response fields that pages may read in addition to the safelisted ones: `{ "ETag" }`.
---@field credentials? boolean Whether pages may send cookies and passwords. Default: `false`.
---@field max_age? rsp.duration How long a browser may cache the response to a preflight request. Default: `"600s"`.

---Security header fields, which are set where a response does not have them. `""`: the field is not set.
---@class rsp.config.SecurityHeaders
---@field content_type_options? string Value of X-Content-Type-Options. Default: `"nosniff"`.
---@field frame_options? string X-Frame-Options. Default: `"SAMEORIGIN"`.
---@field referrer_policy? string Referrer-Policy. Default: `"strict-origin-when-cross-origin"`.
---@field content_security_policy? string Content-Security-Policy. Default: `""`.
---@field permissions_policy? string Permissions-Policy. Default: `""`.
---@field opener_policy? string Cross-Origin-Opener-Policy. Default: `""`.
---@field hsts? boolean|string|rsp.config.Hsts Strict-Transport-Security, over TLS only: `true` (one year, without subdomains), a duration, or a table. The setting `hsts` takes precedence. Default: `true`.

---Compression of responses.
---@class rsp.config.Compress
---@field algorithms? ("zstd"|"br"|"gzip")[] Algorithms that are offered, in order of preference. The order counts for clients that prefer none of them. Default: `{ "zstd", "br", "gzip" }`.
---@field types? string[] Content types that are compressed, without parameters. `*` matches any text. Default: `{ "text/*", "application/json", "application/*+json", "application/javascript", "application/x-javascript", "application/xml", "application/*+xml", "application/x-ndjson", "application/yaml", "application/toml", "application/sql", "application/wasm", "application/vnd.apple.mpegurl", "image/svg+xml", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon", "font/ttf", "font/otf", "application/vnd.ms-fontobject", "application/rtf" }`.
---@field min_size? rsp.size Responses that are known to be smaller than this are not compressed. Default: `"1000"`.
---@field level? integer Compression level, from 1 (fastest) to 9 (smallest). A busy worker lowers it temporarily. Default: `4`.

---Traffic mirroring: copies of requests are sent to another upstream, and its responses are discarded. See traffic.md.
---@class rsp.config.Mirror
---@field to string Name of the upstream that gets the copies.
---@field share? number Share of the requests that are copied, from 0 to 1. Default: `1.0`.
---@field body? rsp.size Requests with a larger body are not copied. Default: `"1MB"`.

---Failover to another upstream when this one fails. The rules of `retry` apply.
---@class rsp.config.Failover
---@field to string Name of the other upstream.
---@field on? (500|502|503|504|429|404|403)[] Statuses of a peer's response, or of rsp's own response in its place, after which the other upstream is used. Default: `{ 502, 503, 504 }`.

---Fault injection: delays and errors for tests.
---@class rsp.config.Fault
---@field delay? rsp.duration How long requests are delayed. Default: `"0s"`.
---@field abort? integer Status of an error response that replaces the peer's. It is sent after `delay`. Default: no error.
---@field share? number Share of the requests that are affected, from 0 to 1. Default: `1.0`.

---An access log: one line for each request.
---@class rsp.config.AccessLog
---@field path? string Where lines are written: `"stdout"`; the path of a file, relative to the directory in which rsp was started; `"syslog:/dev/log"` or `"syslog:192.0.2.1:514"` (RFC 5424); or `"journald"`. Default: `"stdout"`.
---@field format? string Format of a line: `"combined"`, `"json"`, or a text with fields such as `"{client} {status} {request.header.user-agent}"`. Default: `"combined"`.
---@field fields? table<string, string> With `"json"`: additional keys and their fields, such as `{ agent = "request.header.user-agent" }`. `""` removes a default key.
---@field when? string Condition that a request must match to be logged: `'status >= 500'`. Default: all requests.
---@field sample? number Share of these requests that are logged, chosen at random. 0.01 is 1 %. Default: `1.0`.

---A listener for Prometheus, which serves `/metrics`, `/live` and `/ready`.
---@class rsp.config.Metrics
---@field address string|integer Address to listen on: `"127.0.0.1:9145"` or `"unix:/run/rsp/metrics.sock"`.
---@field hosts? string[] Names that the Host of a request may have, in addition to loopback IP addresses, `localhost` and the host in `address`; `"*"`: any. Requests with another Host get 421, which protects against DNS rebinding.

---A web page with the live state of rsp.
---@class rsp.config.Dashboard
---@field address string|integer Address to listen on: `"127.0.0.1:9146"`. An address that is not loopback requires `users`.
---@field hosts? string[] Names that the Host of a request may have, in addition to loopback IP addresses, `localhost` and the host in `address`; `"*"`: any. Requests with another Host get 421, which protects against DNS rebinding.
---@field actions? boolean Whether peers can be drained, enabled and weighted on the page. Requires `users`. Default: `false`.
---@field users? string File with user names and hashed passwords, as written by `htpasswd -B`. Default: no login.

---Tracing: spans are sent as OTLP over HTTP.
---@class rsp.config.Tracing
---@field endpoint string URL of the collector: `"http://127.0.0.1:4318/v1/traces"`.
---@field sample? number Share of the requests that are traced, from 0 to 1. Default: `0.01`.
---@field slow? rsp.duration Requests that take longer than this are always traced, as are failed ones. `0`: no requests are traced for their duration. Default: `"1s"`.
---@field service? string Value of the attribute `service.name` of the spans. Default: `"rsp"`.
---@field headers? table<string, string> Header fields of the requests to the collector, such as Authorization. `rsp -T` hides their values.

---How a reload applies a new configuration: to one worker first (the canary), then to all. The canary's requests can be compared with those of the other workers.
---@class rsp.config.Reload
---@field canary? rsp.duration How long the canary alone runs the new configuration before the other workers follow. `0`: they follow as soon as the canary serves requests. Default: `"0s"`.
---@field max_error_increase? number Reject the new configuration if the canary's share of responses with status 500 or above exceeds that of the other workers by more than this. 0.01 is one percentage point. Default: `0.01`.
---@field max_latency_increase? number Reject the new configuration if the latency of peers exceeds that of the other workers by more than this factor: 1 means twice as long. `0`: do not compare latency. Default: `1.0`.
---@field requests? integer With fewer requests than this during `canary`, no comparison is made and the other workers follow. Default: `20`.

---Routes that containers or services define with labels; see routes-from-labels.md.
---@class rsp.config.DiscoverRoutes
---@field username? string User name: etcd, Redis, HTTP.
---@field password? string Password. `password_file` is safer.
---@field password_file? string File with the password. It is read again when it changes; read permission for root is enough.
---@field token? string Token: Consul, Kubernetes, HTTP. `token_file` is safer.
---@field token_file? string File with the token. It is read again when it changes; read permission for root is enough.
---@field tls? rsp.config.UpstreamTls TLS options for URLs with TLS (`etcds://`, `rediss://`, `https://`), with the keys of `tls` of an upstream. Default: verification with the certificate authorities of the system.
---@field timeout? rsp.duration Timeout for a response of each endpoint. Default: `"5s"`.
---@field docker? string Docker or Podman: its socket, such as `"unix:/var/run/docker.sock"`, or a proxy that restricts access, such as `"docker://docker-proxy:2375"`. Containers define routes with labels.
---@field kubernetes? string|boolean Kubernetes: `true` for the cluster that rsp runs in, or the URL of an API server such as `"kubernetes://api.example.com:6443"`. Services define routes with annotations.
---@field namespace? string Kubernetes: namespace of the services. Default: all namespaces.
---@field hosts string[] Hosts that labels may use: `{ "*.apps.example.com", "shop.example.com" }`. Routes for other hosts are ignored.
---@field network? string Docker: network whose addresses are used, unless the label `rsp.network` names another one. `"host"`: the ports published on the host. Default: the only network of the container.

---DNS lookups of the names of peers, made by the control process. `/etc/hosts` is used before DNS.
---@class rsp.config.Dns
---@field servers? (string|integer)[] DNS servers: `{ "10.0.0.53:53" }`. Default: those in `/etc/resolv.conf`.
---@field timeout? rsp.duration Timeout for one lookup, for all servers together. Default: `"5s"`.
---@field min_ttl? rsp.duration Shortest time for which a result is cached. It raises a lower TTL. Default: `"1s"`.
---@field max_ttl? rsp.duration Longest time for which a result is cached. It lowers a higher TTL. Default: `"30s"`.
---@field retry? rsp.duration Time until the next lookup after a failed one. Meanwhile the previous addresses stay in use. Default: `"2s"`.

---Resources that hooks may use.
---@class rsp.config.Lua
---@field instructions? integer Largest number of Lua instructions for one call of a hook. A million instructions take one or two milliseconds. Default: `300000`.
---@field memory? rsp.size Memory for all hooks of one worker together, including what they keep between requests. Default: `"32MB"`.
---@field timeout? rsp.duration Time for which one call of a hook may wait in total. Running code is limited by `instructions`. Default: `"30s"`.
---@field body? rsp.size Largest body that `req.body()` and `res.body` read. A larger body raises an error in the hook. Default: `"1MB"`.
---@field shared? rsp.size Memory for `shared(...)` and `limit`, shared by all workers and allocated on use. A reload does not change it. Default: 64 MB, but at most an eighth of the memory limit of the container.
---@field fail_open? boolean Whether a request continues when its hook fails. `false`: it gets 500. Default: `false`.

---TLS for listeners with `tls = true`.
---@class rsp.config.Tls
---@field min? "1.2"|"1.3" Lowest TLS version. Default: `"1.2"`, or `"1.3"` with `ciphers = "modern"`.
---@field ciphers? string Mozilla's profile `"intermediate"` or `"modern"`, or a list of TLS 1.2 ciphers in the syntax of `openssl ciphers`. Default: `"intermediate"`.
---@field session_tickets? boolean Whether clients may resume sessions with tickets, which are valid in all workers. Default: `true`.
---@field strict_sni? boolean Whether handshakes are refused if no certificate matches the requested name (SNI). `false`: such clients get the first certificate. Default: `false`.
---@field stapling? boolean OCSP stapling: whether OCSP responses are fetched and sent for certificates that name an OCSP responder. Default: `true`.


---An address that clients connect to.
---@param listener string|integer|rsp.config.Listener
---@return fun(options: rsp.config.Listener)
function listen(listener) end

---A named group of peers.
---@param name string
---@return fun(upstream: rsp.config.Upstream)
function upstream(name) end

---Which requests go where.
---@param route string|rsp.config.Route
---@return fun(options: rsp.config.Route)
function route(route) end

---A certificate for clients.
---@param certificate string|rsp.config.Certificate
---@return fun(options: rsp.config.Certificate)
function certificate(certificate) end

---A page for a status of rsp's own.
---@param page rsp.config.Page
function page(page) end

---State that several nodes share.
---@param name string
---@return fun(store: string|rsp.config.Store)
function store(name) end

-- settings

---Number of workers, 1 to 128, or `"auto"`: the number of usable CPU cores within the CPU quota. The option `-w` overrides it. Default: `"auto"`.
---@type integer|"auto"|nil
workers = nil

---CPUs that workers run on: `"auto"`: one CPU for each worker; or a list with the CPUs of worker 0, 1 and so on, `{ "0", "1", "2-3" }`, which repeats if there are more workers. Default: any CPU. See tuning.
---@type "auto"|(string|integer)[]|nil
cpu_affinity = nil

---Time for which a worker asks the kernel for events again and again before it sleeps, at most `"1ms"`. `"50us"` shortens the latency of single requests in virtual machines, and costs CPU time. Default, and always in pure Python: a worker sleeps at once. See tuning. Default: `"0s"`.
---@type rsp.duration|nil
busy_poll = nil

---User that workers run as when rsp is started by root. Default: `"nobody"`. `"root"` keeps root. A reload does not change it.
---@type string|nil
user = nil

---Group that workers run as. Default: the primary group of `user`. A reload does not change it.
---@type string|nil
group = nil

---Access log: `"stdout"`, `"off"`, the path of a file, a table with `path`, `format` and other keys, or a list of these. See logs.md. Default: `"stdout"`.
---@type string|rsp.config.AccessLog|(string|rsp.config.AccessLog)[]|nil
access_log = nil

---Lowest level of the messages that rsp writes to standard error. Default: `"info"`.
---@type "error"|"warning"|"info"|nil
log_level = nil

---Format of the messages that rsp writes to standard error. The access log has its own `format`. Default: `"text"`.
---@type "text"|"json"|nil
log_format = nil

---Names of query parameters whose values are masked in logs and traces, in addition to the built-in ones.
---@type string[]|nil
log_mask = nil

---Address that serves metrics for Prometheus, such as `"127.0.0.1:9145"`, or a table. See metrics.md.
---@type string|rsp.config.Metrics|nil
metrics = nil

---Address that serves the dashboard, a web page with the live state of rsp, such as `"127.0.0.1:9146"`, or a table. See dashboard.md.
---@type string|rsp.config.Dashboard|nil
dashboard = nil

---Tracing: spans that are sent to an OpenTelemetry collector. See tracing.md.
---@type rsp.config.Tracing|nil
tracing = nil

---Resident memory at which a worker is replaced. No request is lost. Default: no limit.
---@type rsp.size|nil
max_memory = nil

---Time after which a worker that does not respond is killed and replaced. Default: `"10s"`.
---@type rsp.duration|nil
worker_timeout = nil

---The X-Request-Id that peers get. `keep`: the client's if it is valid, otherwise a new id; `make`: always a new id; `off`: none. Default: `"keep"`.
---@type "keep"|"make"|"off"|nil
request_id = nil

---Header fields that tell peers the client's address: `x-forwarded`: X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host; `forwarded`: Forwarded (RFC 7239); `off`: none. Default: `"x-forwarded"`.
---@type "x-forwarded"|"forwarded"|"off"|nil
forwarded = nil

---Networks of the proxies in front of rsp: `{ "10.0.0.0/8" }`; `"unix:"` for connections to a unix socket. Their X-Forwarded-For and Forwarded fields are used and extended; from other clients such fields are removed.
---@type string[]|nil
trusted = nil

---Forwarding fields that are passed to peers even from clients that are not `trusted`: `{ "X-Real-IP" }`. http.md lists these fields.
---@type string[]|nil
keep_forwarded = nil

---Changes to the header fields of every response. The rules of a route are applied after these.
---@type rsp.config.ResponseRules|nil
response_headers = nil

---Path of the readiness check, such as `"/readyz"`, for Kubernetes and load balancers. Every listener answers it before hooks and routes: 200, or 503 after SIGTERM or SIGQUIT.
---@type string|nil
ready = nil

---Time for which connections are still accepted after SIGTERM or SIGQUIT, while `ready` answers 503. A second signal ends it. Default: `"0s"`.
---@type rsp.duration|nil
drain_delay = nil

---Whether responses are compressed for clients that accept it: `true`, or a table. See compression.md. Default: `false`.
---@type boolean|rsp.config.Compress|nil
compress = nil

---Security header fields for all responses: `true`, or a table. A route can override it. Default: `false`.
---@type boolean|rsp.config.SecurityHeaders|nil
security_headers = nil

---Strict-Transport-Security for responses over TLS: `true` (one year), a duration such as `"30d"`, or a table. Default: `false`.
---@type boolean|string|rsp.config.Hsts|nil
hsts = nil

---Name of this proxy in the Via field of requests and responses. Default: no Via field.
---@type string|nil
via = nil

---Path of the unix socket for `rspctl`. `"auto"`: `rsp-PID.sock` in `/run/rsp` or `$XDG_RUNTIME_DIR/rsp`; `"off"`: no socket. A reload does not change it. Default: `"auto"`.
---@type string|nil
admin = nil

---File that contains the process id of the master. Default: none. A reload does not change it.
---@type string|nil
pid_file = nil

---@type rsp.config.Reload|nil
reload = nil

---Routes that containers or services define with labels; see routes-from-labels.md.
---@type rsp.config.DiscoverRoutes|nil
discover_routes = nil

---@type rsp.config.Lua|nil
lua = nil

---@type rsp.config.Tls|nil
tls = nil

---@type rsp.config.Timeouts|nil
timeouts = nil

---@type rsp.config.Limits|nil
limits = nil

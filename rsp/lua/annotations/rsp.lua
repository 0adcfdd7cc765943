---@meta
-- What hooks of a configuration can use, for the Lua language server.  docs/lua.md describes it; configuration.lua
-- beside this file has the declarations and settings.

---@alias seconds rsp.duration
---@alias answer userdata

---@class rsp.Headers
---@field [string] string|number|string[]|nil in any case
local Headers = {}
---@param name string
---@return string[]
function Headers:all(name) end
---@param name string
---@param value string|number
function Headers:add(name, value) end

---@class rsp.Tls
---@field version string such as "TLSv1.3"
---@field cipher string as OpenSSL names it
---@field sni string|nil the name that the client asked for
---@field alpn string|nil
---@field resumed boolean
---@field verified boolean the request's own client_ca has verified the client's certificate; else what follows is nil
---@field subject string|nil RFC 4514: "CN=alice,O=Example"
---@field issuer string|nil
---@field sans string[]|nil "DNS:example.com", "IP:192.0.2.1", "email:a@example.com", "URI:spiffe://example.com/a"
---@field serial string|nil hexadecimal
---@field fingerprint string|nil SHA-256, hexadecimal
---@field not_after number|nil seconds since the epoch

---@class rsp.Request
---@field method string
---@field path string decoded and normalised
---@field query string without "?"
---@field target string path and query as they came
---@field args table<string, string|number|nil>
---@field headers rsp.Headers
---@field cookies table<string, string|nil>
---@field host string lower case, without port
---@field client string
---@field scheme string
---@field listener string
---@field user string|nil of the route's `auth`; known to hooks of routes
---@field id string|nil
---@field tls rsp.Tls|nil over plain HTTP: nil
---@field proxy rsp.Proxy|nil of a connection that began with a PROXY header
---@field log table<string, string|number|boolean|nil> values of your own in access logs: the fields `log.NAME`
---@field ctx table your own, as long as the request lives
---@field upstream string|nil
---@field peer string|nil
---@field body (fun(): string)|string

---@class rsp.Proxy
---@field address string of the proxy that has connected
---@field source string|nil the client's address and port
---@field destination string|nil the address and port that it connected to
---@field alpn string|nil
---@field authority string|nil the name that the client asked for
---@field unique_id string|nil bytes
---@field ssl_version string|nil of the TLS between client and proxy
---@field ssl_cipher string|nil
---@field ssl_cn string|nil of the client's certificate
---@field ssl_verified boolean whether the proxy has verified it
---@field tlv_0xea string|nil and each other one from tlv_0xe0 to tlv_0xef

---@class rsp.Response
---@field status integer
---@field headers rsp.Headers
---@field body string|fun(chunk: string, last: boolean): string|nil
---@field filter fun(chunk: string, last: boolean): string|nil
---@field sent integer
---@field duration number
---@field own boolean

---@class rsp.Peer
---@field address string
---@field weight number
---@field backup boolean
---@field in_flight integer
---@field latency number seconds

---@class rsp.Error
---@field status integer
---@field reason string

---@class rsp.Reply
---@field status integer
---@field headers table<string, string>
---@field body string
---@field ok boolean below 400
---@field json fun(): any

---@class rsp.Call
---@field url? string
---@field upstream? string
---@field path? string
---@field method? string
---@field args? table
---@field headers? table
---@field body? string
---@field json? any
---@field host? string
---@field timeout? seconds
---@field max_body? integer

---@class rsp.Dictionary
local Dictionary = {}
---@param key string|number
---@return string|number|boolean|nil
function Dictionary.get(key) end
---@param key string|number
---@param value string|number|boolean|nil
---@param ttl? seconds|{ttl: seconds}
---@return boolean
function Dictionary.set(key, value, ttl) end
---@param key string|number
---@param value string|number|boolean
---@param ttl? seconds|{ttl: seconds}
---@return boolean added
function Dictionary.add(key, value, ttl) end
---@param key string|number
---@param by? number
---@param init? number|{init: number?, ttl: seconds?}
---@param ttl? seconds
---@return number
function Dictionary.incr(key, by, init, ttl) end
---@param key string|number
---@return boolean
function Dictionary.delete(key) end
---@param limit? integer 0: all
---@return string[]
function Dictionary.keys(limit) end

-- declarations

---@param interval seconds
---@param fn fun()
---@param options? "one"|"all"|{workers: "one"|"all"}
function every(interval, fn, options) end
---@param name string
---@param fn fun()
function test(name, fn) end

-- In a store: each call waits, and gives nil and a reason while the store is not available.
---@class rsp.StoredDictionary
---@field get fun(key: string|number): string|number|boolean|nil, string|nil
---@field set fun(key: string|number, value: string|number|boolean|nil, ttl?: seconds|{ttl: seconds}): boolean|nil, string|nil
---@field add fun(key: string|number, value: string|number|boolean, ttl?: seconds|{ttl: seconds}): boolean|nil, string|nil
---@field incr fun(key: string|number, by?: number, init?: number|{init: number?, ttl: seconds?}, ttl?: seconds): number|nil, string|nil
---@field delete fun(key: string|number): boolean|nil, string|nil
---@field keys fun(limit?: integer): string[]|nil, string|nil

---@class rsp.Simulated
---@field status integer
---@field headers table<string, string>
---@field body string
---@field upstream string|nil
---@field peer string|nil
---@field route string|nil
---@field hooks string[]
---@field log string[]
---@field request {method: string?, path: string?, headers: table<string, string>, body: string?, host: string?}

---@param request {path: string?, method: string?, host: string?, client: string?, tls: boolean|table|nil, headers: table?, body: string?, response: {status: integer?, headers: table?, body: string?}?, http: (fun(call: table): table|nil)?, store: false|nil}
---@return rsp.Simulated
function simulate(request) end

-- answers

---@overload fun(answer: {status: integer?, headers: table?, body: string|table|nil}): answer
---@overload fun(status: integer, body?: string|table|number, headers?: table): answer
respond = {}
---@param value any
---@param status? integer
---@param headers? table
---@return answer
function respond.json(value, status, headers) end
---@param url string
---@param status? 301|302|303|307|308
---@return answer
function redirect(url, status) end
---@param target string|{upstream: string?, peer: string?}
---@return answer
function proxy(target) end

-- what waits

http = {}
---@param call string|rsp.Call
---@param more? rsp.Call
---@return rsp.Reply|nil, string|nil reason
function http.get(call, more) end
---@param call string|rsp.Call
---@param more? rsp.Call
---@return rsp.Reply|nil, string|nil reason
function http.post(call, more) end
---@param call string|rsp.Call
---@param more? rsp.Call
---@return rsp.Reply|nil, string|nil reason
function http.request(call, more) end
---@param time seconds
function sleep(time) end
---@param functions table<any, function>
---@return any ...
function parallel(functions) end
---The setting, and a function for hooks.
---@class rsp.Dns: rsp.config.Dns
dns = {}
---@param name string
---@return string[]|nil, string|nil reason
function dns.resolve(name) end
file = {}
---@param path string absolute
---@return "file"|"directory"|"other"|nil
function file.kind(path) end

-- state

---@param name string
---@return rsp.Dictionary
---@overload fun(name: string, options: {store: string|true}): rsp.StoredDictionary
function shared(name) end
limit = {}
---@param options {key: string, rate: string, burst: number?, cost: number?, name: string?, cluster: string|true|nil}
---@return boolean, number|nil wait seconds
function limit.rate(options) end
---@param options {key: string, max: integer, name: string?}
---@return boolean
function limit.conn(options) end

-- tools

json = { null = nil }
---@param value any
---@return string
function json.encode(value) end
---@param text string
---@return any, string|nil
function json.decode(text) end
---@param list table
---@return table
function json.array(list) end
base64 = {}
---@param text string
---@return string
function base64.encode(text) end
---@param text string
---@return string
function base64.encode_url(text) end
---@param text string
---@return string|nil, string|nil
function base64.decode(text) end
---@param text string
---@return string hexadecimal
function sha256(text) end
hmac = {}
---@param key string
---@param text string
---@return string hexadecimal
function hmac.sha256(key, text) end
---@param a string
---@param b string
---@return boolean
function hmac.equal(a, b) end
url = {}
---@param text string
---@return string
function url.encode(text) end
---@param text string
---@return string
function url.decode(text) end
---@param args table
---@return string
function url.build_query(args) end
---@param query string
---@return table<string, string[]>
function url.parse_query(query) end
cookie = {}
---@param text string
---@return table<string, string>
function cookie.parse(text) end
---@param name string
---@param value string
---@param options? {path: string?, domain: string?, max_age: integer?, expires: string?, same_site: string?, secure: boolean?, http_only: boolean?}
---@return string
function cookie.build(name, value, options) end
time = {}
---@return number seconds since the epoch
function time.now() end
---@return number seconds
function time.monotonic() end
---@param at? number
---@return string
function time.http(at) end
---@param at? number
---@return string
function time.iso(at) end
jwt = {}
---@param token string|nil with or without "Bearer "
---@param key string
---@param options? {algorithms: string[]|string|nil, audience: string?, issuer: string?, leeway: number?}
---@return table|nil claims, string|nil reason
function jwt.verify(token, key, options) end
ip = {}
---@param networks string[]
---@return {has: fun(address: string): boolean}
function ip.set(networks) end
---@param address string
---@param network string
---@return boolean
function ip.matches(address, network) end
---@param pattern string RE2's syntax
---@param flags? string of "i", "m", "s"
---@return {test: (fun(text: string): boolean), match: (fun(text: string): table|nil), replace: (fun(text: string, by: string): string), split: (fun(text: string): string[])}
function regex(pattern, flags) end
---@param options string|{file: string, realm: string?}
---@return {user: (fun(req: rsp.Request): string|nil), ask: fun(): answer}
function basic_auth(options) end
---@param shares table<string, number>
---@param key? string the client's address by default
---@return string
function split(shares, key) end

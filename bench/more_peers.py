"""nghttpx and h2o, which take part where HTTP/2 is measured if they are installed: the work of the others, as far as they can.

Neither makes request ids; nghttpx writes each line of its log at once, and so does h2o, which speaks HTTP/1.1 to peers only.
"""

FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
)

H2O = """
pid-file: {directory}/h2o.pid
error-log: {directory}/error.log
access-log:
  path: {directory}/access.log
  format: '%h %l %u %t "%r" %s %b "%{{Referer}}i" "%{{User-agent}}i" %{{duration}}x'
user: root
num-threads: {workers}
max-connections: {connections}
crash-handler.wait-pipe-close: OFF
http2-max-concurrent-requests-per-connection: 128
http2-idle-timeout: 120
http1-request-timeout: 120
limit-request-body: 1073741824
proxy.preserve-host: ON
proxy.timeout.keepalive: 60000
listen:
  host: 127.0.0.1
  port: {port}
  ssl:
    certificate-file: {bundle}
    key-file: {bundle}
    minimum-version: TLSv1.2
    neverbleed: OFF
hosts:
  default:
    paths:
      "/":
        proxy.reverse.url: "http://127.0.0.1:9101/"
      "/upload":
        proxy.reverse.url: "http://127.0.0.1:9102/upload"
"""


def nghttpx(values: dict[str, object]) -> list[str]:
    """One thread in one process, so that its CPU is that of the process."""
    return [
        "nghttpx", "--conf=/dev/null", "--single-process", f"--workers={values['workers']}", "--no-location-rewrite",
        f"--frontend=127.0.0.1,{values['port']}", "--backend=127.0.0.1,9101;/", "--backend=127.0.0.1,9102;/upload",
        "--backend=127.0.0.1,9103;/bench.Echo/;proto=h2",
        "--add-x-forwarded-for", "--tls-min-proto-version=TLSv1.2", "--frontend-http2-max-concurrent-streams=128",
        "--backend-keep-alive-timeout=60", f"--rlimit-nofile={values['descriptors']}",
        f"--accesslog-file={values['directory']}/access.log",
        f"--accesslog-format={FORMAT}upstream=$backend_host:$backend_port time=$request_time",
        f"--errorlog-file={values['directory']}/error.log", f"--pid-file={values['directory']}/nghttpx.pid",
        str(values["bundle"]), str(values["bundle"]),
    ]  # fmt: skip

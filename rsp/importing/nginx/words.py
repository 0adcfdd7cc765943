"""What becomes of nginx's directives that need no code of their own, by name: the table behind docs/import.md.

``DROPPED`` tune what rsp does by itself; ``NOTED`` are told to the user, once; ``HANDLED`` are translated by
the other files; ``CLOSING`` keep clients out, so a location that has one which is not understood is refused.
All other names are reported as not translated.
"""

from typing import Final

DROPPED: Final = frozenset(
    """
    accept_mutex accept_mutex_delay aio aio_write autoindex_exact_size autoindex_localtime brotli_buffers
    brotli_window charset_types chunked_transfer_encoding client_body_buffer_size client_body_in_file_only
    client_body_in_single_buffer client_body_temp_path client_header_buffer_size connection_pool_size daemon
    debug_connection debug_points directio directio_alignment env etag events fancyindex_css_href
    fancyindex_default_sort fancyindex_directories_first fancyindex_exact_size fancyindex_hide_parent_dir
    fancyindex_ignore fancyindex_localtime fancyindex_name_length fancyindex_show_dotfiles fancyindex_show_path
    fancyindex_time_format fastcgi_buffer_size fastcgi_buffering fastcgi_buffers fastcgi_busy_buffers_size
    fastcgi_catch_stderr fastcgi_ignore_client_abort fastcgi_keep_conn
    fastcgi_max_temp_file_size fastcgi_next_upstream
    fastcgi_request_buffering fastcgi_send_lowat fastcgi_send_timeout fastcgi_socket_keepalive
    fastcgi_temp_file_write_size fastcgi_temp_path uwsgi_socket_keepalive ssl_dyn_rec_enable ssl_dyn_rec_size_hi
    ssl_dyn_rec_size_lo ssl_dyn_rec_threshold ssl_dyn_rec_timeout
    grpc_buffer_size grpc_connect_timeout grpc_next_upstream grpc_socket_keepalive grpc_ssl_ciphers gzip_buffers
    gzip_disable gzip_hash gzip_http_version gzip_no_buffer gzip_proxied gzip_vary gzip_window http2_alt_svc
    http2_body_preread_size http2_chunk_size http2_idle_timeout http2_max_concurrent_pushes
    http2_max_concurrent_streams http2_max_field_size http2_max_header_size http2_max_requests http2_push
    http2_push_preload http2_recv_buffer_size http2_recv_timeout http3 http3_hq http3_max_concurrent_streams
    http3_stream_buffer_size if_modified_since ignore_invalid_headers js_fetch_trusted_certificate js_path
    keepalive_disable keepalive_min_timeout keepalive_requests keepalive_time limit_conn_log_level
    limit_req_log_level lingering_close lingering_time lingering_timeout load_module lock_file log_not_found
    log_subrequest lua_code_cache lua_max_pending_timers lua_package_cpath lua_package_path lua_shared_dict
    lua_socket_log_errors lua_ssl_trusted_certificate lua_ssl_verify_depth map_hash_bucket_size map_hash_max_size
    master_process max_ranges merge_slashes min_delete_depth mp4_buffer_size mp4_max_buffer_size msie_padding
    msie_refresh multi_accept open_file_cache open_file_cache_errors open_file_cache_min_uses open_file_cache_valid
    open_log_file_cache output_buffers override_charset pcre_jit perl_modules perl_require port_in_redirect
    postpone_output proxy_buffer_size proxy_buffering proxy_buffers proxy_busy_buffers_size proxy_force_ranges
    proxy_headers_hash_bucket_size proxy_headers_hash_max_size proxy_http_version proxy_ignore_client_abort
    proxy_max_temp_file_size proxy_next_upstream_timeout proxy_request_buffering proxy_send_lowat
    proxy_socket_keepalive proxy_ssl_ciphers proxy_ssl_conf_command proxy_ssl_session_reuse proxy_ssl_verify_depth
    proxy_temp_file_write_size proxy_temp_path quic_active_connection_id_limit quic_bpf quic_gso quic_host_key
    quic_mtu quic_retry read_ahead recursive_error_pages request_pool_size reset_timedout_connection resolver
    resolver_timeout rewrite_log scgi_temp_path send_lowat sendfile sendfile_max_chunk server_name_in_redirect
    server_names_hash_bucket_size server_names_hash_max_size server_tokens source_charset ssl_buffer_size
    ssl_dhparam ssl_early_data ssl_ecdh_curve ssl_engine ssl_object_cache_inheritable ssl_ocsp_cache
    ssl_prefer_server_ciphers ssl_session_cache ssl_session_ticket_key ssl_session_timeout ssl_stapling
    ssl_stapling_file ssl_stapling_responder ssl_stapling_verify ssl_trusted_certificate
    subrequest_output_buffer_size tcp_nodelay tcp_nopush thread_pool timer_resolution track_uploads
    types_hash_bucket_size types_hash_max_size underscores_in_headers uninitialized_variable_warn upload_progress
    use uwsgi_buffer_size uwsgi_buffering uwsgi_buffers uwsgi_busy_buffers_size uwsgi_connect_timeout
    uwsgi_ignore_client_abort uwsgi_max_temp_file_size uwsgi_next_upstream uwsgi_read_timeout
    uwsgi_request_buffering uwsgi_send_timeout uwsgi_temp_path variables_hash_bucket_size variables_hash_max_size
    vhost_traffic_status_zone worker_aio_requests worker_connections worker_priority
    worker_rlimit_core worker_rlimit_nofile worker_shutdown_timeout working_directory zstd_buffers
    """.split()  # noqa: SIM905 - a list of words
)

_CACHE: Final = tuple(
    """
    proxy_cache proxy_cache_path proxy_cache_valid proxy_cache_key proxy_cache_bypass proxy_no_cache proxy_cache_lock
    proxy_cache_lock_age proxy_cache_lock_timeout proxy_cache_methods proxy_cache_min_uses proxy_cache_revalidate
    proxy_cache_use_stale proxy_cache_background_update proxy_cache_convert_head proxy_cache_max_range_offset
    proxy_cache_purge proxy_store proxy_store_access proxy_ignore_headers fastcgi_cache fastcgi_cache_path
    fastcgi_cache_valid fastcgi_cache_key fastcgi_cache_bypass fastcgi_no_cache fastcgi_cache_lock
    fastcgi_cache_lock_age fastcgi_cache_lock_timeout fastcgi_cache_methods fastcgi_cache_min_uses
    fastcgi_cache_revalidate fastcgi_cache_use_stale fastcgi_cache_background_update fastcgi_ignore_headers
    fastcgi_cache_purge uwsgi_cache uwsgi_cache_path uwsgi_cache_valid uwsgi_cache_key uwsgi_cache_bypass
    uwsgi_no_cache uwsgi_cache_use_stale uwsgi_cache_lock slice
    """.split()  # noqa: SIM905 - a list of words
)
NOTED: Final[dict[str, str]] = {
    "disable_symlinks": "rsp follows symbolic links that stay below the directory of `files`, and no others",
    "pagespeed": "rsp passes pages as the peer sends them: there is no PageSpeed",
    **dict.fromkeys(
        _CACHE,
        "rsp has no response cache: each request goes to the peer",
    ),
    **dict.fromkeys(
        (
            "stub_status",
            "vhost_traffic_status",
            "vhost_traffic_status_display",
            "vhost_traffic_status_display_format",
            "vhost_traffic_status_filter_by_host",
            "status",
            "status_zone",
            "api",
            "check_status",
            "vhost_traffic_status_filter_by_set_key",
        ),
        "nginx's status page is rsp's metrics: metrics = \"127.0.0.1:9145\" (docs/metrics.md); its path answers 404",
    ),
    **dict.fromkeys(
        ("health_check", "match", "upstream_conf", "state", "health_check_timeout"),
        "active checks of peers are `health` of an upstream (docs/balancing.md); peers come from the file",
    ),
    **dict.fromkeys(
        ("proxy_limit_rate", "fastcgi_limit_rate", "uwsgi_limit_rate"),
        "rsp reads from peers as fast as clients take it: to slow clients down, `bandwidth` of the route",
    ),
    "limit_rate_after": "`bandwidth` slows responses down from their first byte",
    **dict.fromkeys(("mp4", "flv"), "files are sent with ranges; the `start` of mp4 and flv in the query is not"),
    **dict.fromkeys(
        ("fancyindex", "fancyindex_header", "fancyindex_footer", "autoindex_format"),
        "lists of files have rsp's own form: `list = true` of `files`",
    ),
    "error_log": 'messages of rsp itself go to standard error; log_level = "error" says fewer of them',
    "pid": 'rsp writes a pid file with pid_file = "/run/rsp.pid" only',
    **dict.fromkeys(
        (
            "otel_exporter",
            "otel_trace",
            "otel_trace_context",
            "otel_service_name",
            "otel_span_name",
            "otel_span_attr",
            "opentracing",
            "opentracing_load_tracer",
            "opentracing_propagate_context",
            "opentracing_tag",
        ),
        "tracing is a setting of rsp: tracing = { endpoint = ... } (docs/tracing.md)",
    ),
}

# What becomes of those that are translated, for docs/import.md.
HANDLED: Final[dict[str, str]] = {
    "http server listen server_name http2 ssl proxy_protocol": "`listen`; `host` and `listener` of routes; "
    "`headers = { Host = ... }` for names that are regular expressions",
    "ssl_certificate ssl_certificate_key ssl_password_file": "`certificate`",
    "ssl_protocols ssl_session_tickets ssl_reject_handshake ssl_ciphers ssl_conf_command": "`tls`; ciphers are rsp's",
    "ssl_client_certificate ssl_verify_client ssl_crl ssl_verify_depth": "`client_ca`, `client_verify`, `client_crl`",
    "location internal": "a route; `internal` answers 404, but for paths that `rewrite` has made",
    "upstream zone least_conn ip_hash hash random least_time keepalive keepalive_timeout sticky": "`upstream`",
    "proxy_pass grpc_pass proxy_redirect": "`to`, `rewrite`, `rewrite_location`; an `upstream` for an address; "
    "a hook that finds the peer where it has variables",
    "fastcgi_pass uwsgi_pass fastcgi_index fastcgi_split_path_info fastcgi_param uwsgi_param": "an `upstream` with "
    "`protocol`; other variables than those of CGI in `params`",
    "proxy_cookie_path proxy_cookie_domain proxy_cookie_flags": "a hook that changes Set-Cookie",
    "proxy_next_upstream proxy_next_upstream_tries": "`retry` of the upstream",
    "proxy_ssl_verify proxy_ssl_name proxy_ssl_server_name proxy_ssl_trusted_certificate proxy_ssl_certificate "
    "proxy_ssl_certificate_key proxy_ssl_crl proxy_ssl_protocols proxy_ssl_password_file": "`tls` of the upstream",
    "proxy_set_header grpc_set_header proxy_pass_request_headers proxy_pass_request_body": "`request_headers`, "
    "`send_host`; a hook for values without a placeholder; Upgrade and Connection are rsp's own",
    "add_header proxy_hide_header fastcgi_hide_header proxy_pass_header fastcgi_pass_header more_set_headers "
    "more_clear_headers": "`response_headers`",
    "root alias index try_files autoindex types default_type charset gzip_static brotli_static "
    "zstd_static": "`files`, `fallback`, `else_to`, "
    "`else_rewrite`; a hook that looks for files of other names, and for directories by variables",
    "expires": "`cache_control` of `files`, or Cache-Control",
    "allow deny satisfy limit_except": "`allow`, `deny`, `any`; a hook for methods",
    "auth_basic auth_basic_user_file": "`auth = { basic = ... }`",
    "auth_request auth_request_set": '`auth = { forward = ..., style = "auth_request" }`; '
    "a hook, where it is `if` and `return`",
    "limit_req limit_req_zone limit_req_status": "`rate_limit`; no request is delayed",
    "limit_conn limit_conn_zone limit_conn_status": "`concurrency`",
    "limit_rate": "`bandwidth`",
    "return rewrite if set break": "`redirect`, `respond`, `rewrite`, `maintenance`; else a hook, "
    "which looks for a location again after `rewrite ... last`",
    "map geo split_clients": "functions of Lua, where they are used",
    "client_max_body_size large_client_header_buffers": "`limits`",
    "client_body_timeout client_header_timeout send_timeout proxy_connect_timeout proxy_read_timeout "
    "proxy_send_timeout fastcgi_connect_timeout fastcgi_read_timeout": "`timeouts`",
    "gzip gzip_types gzip_min_length gzip_comp_level brotli brotli_types brotli_comp_level brotli_min_length zstd "
    "zstd_types zstd_comp_level zstd_min_length": "`compress`",
    "access_log log_format": "`access_log`, in rsp's own format",
    "error_page proxy_intercept_errors fastcgi_intercept_errors": "`page`, `failover`, `else_to`, or `on_error`",
    "real_ip_header set_real_ip_from real_ip_recursive": "`trusted`",
    "user worker_processes worker_cpu_affinity": "`user`, `group`, `workers`, `cpu_affinity`",
    "valid_referers": "a function of Lua for `$invalid_referer`",
    "absolute_redirect": "redirects to a path stay paths",
    "mirror mirror_request_body": "`mirror` of the route, where the copy goes to an upstream with the same path",
    "empty_gif": "a hook that answers with the picture",
}

KNOWN: Final = frozenset(name for names in HANDLED for name in names.split())

CLOSING: Final = (
    "access_by_lua", "rewrite_by_lua", "auth_", "secure_link", "valid_referers", "js_access", "modsecurity",
    "internal", "limit_except", "allow", "deny", "satisfy", "geoip", "perl", "set_by_lua", "content_by_lua",
    "app_protect", "session_log", "naxsi", "SecRules", "DeniedUrl", "CheckRule", "testcookie", "ssl_verify_client",
    "js_content", "return", "if", "oidc", "auth",
)  # fmt: skip


def is_closing(name: str) -> bool:
    return name.startswith(CLOSING)

"""What becomes of nginx's directives that need no code of their own, by name: the table behind docs/import.md.

``DROPPED`` tune what rsp does by itself; ``NOTED`` are told to the user, once; ``HANDLED`` are translated by
the other files; ``CLOSING`` keep clients out, so a location that has one which is not understood is refused.
All other names are reported as not translated.
"""

from typing import Final

FAMILIES: Final = ("proxy", "fastcgi", "uwsgi", "scgi", "grpc", "memcached")


def _of_all(words: str) -> frozenset[str]:
    """Directives that each protocol of peers has under a name of its own: ``proxy_buffers``, ``fastcgi_buffers``."""
    return frozenset(f"{family}_{word}" for family in FAMILIES for word in words.split())


# The directives that make variables are left out as well: where such a variable is asked for, that is reported.
_LEFT_OUT: Final = _of_all(
    """
    buffer_size buffering buffers busy_buffers_size connect_timeout force_ranges headers_hash_bucket_size
    headers_hash_max_size ignore_client_abort max_temp_file_size next_upstream next_upstream_timeout
    next_upstream_tries pass_trailers read_timeout request_buffering send_lowat send_timeout socket_keepalive
    socket_rcvbuf socket_sndbuf ssl_certificate_cache ssl_ciphers ssl_conf_command ssl_session_reuse
    ssl_verify_depth temp_file_write_size temp_path
    """
) | frozenset(
    """
    accept_mutex accept_mutex_delay acceptex_read addition_types aio aio_write ancient_browser
    ancient_browser_value autoindex_exact_size autoindex_localtime backtrace_log brotli_buffers brotli_window
    charset_map charset_types chunked_transfer_encoding chunkin chunkin_resume client_body_buffer_size
    client_body_early_read
    client_body_in_file_only client_body_in_single_buffer client_body_postpone_size client_body_temp_path
    client_header_buffer_size connection_pool_size connections create_full_put_path daemon dav_access
    debug_connection debug_points devpoll_changes devpoll_events directio directio_alignment dso
    dynamic_tls_records env epoll_events etag eventport_events events fancyindex_css_href fancyindex_default_sort
    fancyindex_directories_first fancyindex_exact_size fancyindex_hide_parent_dir fancyindex_ignore
    fancyindex_localtime fancyindex_name_length fancyindex_show_dotfiles fancyindex_show_path
    fancyindex_time_format fastcgi_catch_stderr fastcgi_keep_conn geoip2 geoip2_proxy geoip2_proxy_recursive
    geoip_city geoip_country geoip_org geoip_proxy geoip_proxy_recursive gunzip_buffers gzip_buffers gzip_disable
    gzip_hash gzip_http_version gzip_no_buffer gzip_proxied gzip_vary gzip_window http2_alt_svc
    http2_body_preread_size http2_chunk_size http2_hpack_table_size http2_idle_timeout http2_max_concurrent_pushes
    http2_max_concurrent_streams http2_max_field_size http2_max_header_size http2_max_requests http2_pool_size
    http2_push http2_push_preload http2_recv_buffer_size http2_recv_timeout http2_streams_index_size http3
    http3_hq http3_max_concurrent_streams http3_stream_buffer_size if_modified_since ignore_invalid_headers
    image_filter_buffer image_filter_interlace image_filter_jpeg_quality image_filter_sharpen
    image_filter_transparency image_filter_webp_quality iocp_threads js_fetch_buffer_size js_fetch_ciphers
    js_fetch_max_response_buffer_size js_fetch_protocols js_fetch_timeout js_fetch_trusted_certificate
    js_fetch_verify js_fetch_verify_depth js_import js_include js_path js_preload_object js_set
    js_shared_dict_zone js_var keepalive_disable keepalive_min_timeout keepalive_requests keepalive_time
    kqueue_changes kqueue_events limit_conn_log_level limit_req_log_level lingering_close lingering_time
    lingering_timeout load_module lock_file log_not_found log_subrequest lua_capture_error_log
    lua_check_client_abort lua_code_cache lua_load_resty_core lua_max_pending_timers lua_max_running_timers
    lua_need_request_body lua_package_cpath lua_package_path lua_regex_cache_max_entries lua_regex_match_limit
    lua_sa_restart lua_shared_dict lua_socket_buffer_size lua_socket_connect_timeout lua_socket_keepalive_timeout
    lua_socket_log_errors lua_socket_pool_size lua_socket_read_timeout lua_socket_send_timeout lua_ssl_ciphers
    lua_ssl_protocols lua_ssl_trusted_certificate lua_ssl_verify_depth lua_thread_cache_max_entries
    lua_transform_underscores_in_response_headers map_hash_bucket_size map_hash_max_size master_process
    max_headers max_ranges memcached_gzip_flag merge_slashes mgmt min_delete_depth modern_browser
    modern_browser_value modsecurity_rules modsecurity_rules_file modsecurity_rules_remote
    modsecurity_transaction_id modsecurity_use_error_log mp4_buffer_size mp4_max_buffer_size mp4_start_key_frame
    msie_padding msie_refresh multi_accept open_file_cache open_file_cache_errors open_file_cache_events
    open_file_cache_min_uses open_file_cache_retest open_file_cache_valid open_log_file_cache optimize_host_names
    optimize_server_names output_buffers override_charset pcre_jit perl_modules perl_require perl_set
    port_in_redirect post_accept_timeout post_acceptex postpone_gzipping postpone_output preread_timeout
    proxy_http_version quic_active_connection_id_limit quic_bpf quic_gso quic_host_key quic_mtu quic_retry
    read_ahead recursive_error_pages referer_hash_bucket_size referer_hash_max_size report_uploads
    request_pool_size reset_timedout_connection resolver resolver_file resolver_timeout rewrite_log
    scgi_hide_header scgi_intercept_errors scgi_param scgi_pass_header scgi_pass_request_body
    scgi_pass_request_headers send_lowat sendfile sendfile_max_chunk server_info server_name_in_redirect
    server_names_hash_bucket_size server_names_hash_max_size server_tag server_tokens source_charset
    spdy_chunk_size spdy_headers_comp ssi_ignore_recycled_buffers ssi_last_modified ssi_min_file_chunk
    ssi_silent_errors ssi_types ssi_value_length ssl_buffer_size ssl_certificate_cache ssl_certificate_compression
    ssl_dhparam ssl_dyn_rec_enable ssl_dyn_rec_size_hi ssl_dyn_rec_size_lo ssl_dyn_rec_threshold
    ssl_dyn_rec_timeout ssl_early_data ssl_ecdh_curve ssl_engine ssl_object_cache_inheritable ssl_ocsp_cache
    ssl_ocsp_responder ssl_prefer_server_ciphers ssl_session_cache ssl_session_ticket_key ssl_session_timeout
    ssl_stapling ssl_stapling_file ssl_stapling_responder ssl_stapling_verify ssl_trusted_certificate
    sub_filter_last_modified sub_filter_once sub_filter_types subrequest_output_buffer_size subs_buffers
    subs_filter_bypass subs_filter_types subs_line_buffer_size tcp_nodelay tcp_nopush thread_pool timer_resolution
    track_uploads tunnel_buffer_size types_hash_bucket_size types_hash_max_size underscores_in_headers
    uninitialized_variable_warn upload_progress upload_progress_content_type upload_progress_header
    upload_progress_java_output upload_progress_json_output upload_progress_template use userid_domain
    userid_expires userid_flags userid_mark userid_name userid_p3p userid_path userid_service
    variables_hash_bucket_size variables_hash_max_size vhost_traffic_status_average_method
    vhost_traffic_status_bypass_limit vhost_traffic_status_bypass_stats vhost_traffic_status_dump
    vhost_traffic_status_filter vhost_traffic_status_filter_max_node vhost_traffic_status_histogram_buckets
    vhost_traffic_status_zone worker_aio_requests worker_connections worker_priority worker_rlimit_core
    worker_rlimit_nofile worker_shutdown_timeout working_directory xml_entities xml_external_entities
    xslt_last_modified xslt_param xslt_string_param xslt_types zstd_buffers zstd_dict_file
    """.split()  # noqa: SIM905 - a list of words
)

_CACHE: Final = (
    *_of_all(
        """
    cache cache_background_update cache_bypass cache_convert_head cache_key cache_lock cache_lock_age
    cache_lock_timeout cache_max_range_offset cache_methods cache_min_uses cache_path cache_purge cache_revalidate
    cache_use_stale cache_valid ignore_headers no_cache store store_access
        """
    ),
    "slice",
)
NOTED: Final[dict[str, str]] = {
    "disable_symlinks": "rsp follows symbolic links that stay below the directory of `files`, and no others",
    **dict.fromkeys(
        ("BasicRule", "CheckRule", "DeniedUrl", "LearningMode", "MainRule", "SecRulesDisabled"),
        "rsp has no firewall for web applications, such as naxsi",
    ),
    "pagespeed": "rsp passes pages as the peer sends them: there is no PageSpeed",
    **dict.fromkeys(
        sorted(_CACHE),
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
        sorted(_of_all("limit_rate")),
        "rsp reads from peers as fast as clients take it: to slow clients down, `bandwidth` of the route",
    ),
    "auth_delay": "rsp answers at once where a password is wrong: to slow guesses down, `rate_limit` of the route",
    "early_hints": "rsp passes interim responses (103) of peers on to all clients",
    "gunzip": "rsp sends compressed responses of peers as they are; peers see what the client accepts",
    "limit_rate_after": "`bandwidth` slows responses down from their first byte",
    **dict.fromkeys(("mp4", "flv"), "files are sent with ranges; the `start` of mp4 and flv in the query is not"),
    **dict.fromkeys(
        ("fancyindex", "fancyindex_header", "fancyindex_footer", "autoindex_format"),
        "lists of files have rsp's own form: `list = true` of `files`",
    ),
    "error_log": "messages of rsp itself go to standard error",
    "pid": 'rsp writes no pid file unless the configuration says so: pid_file = "/run/rsp.pid"',
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
    "proxy_next_upstream proxy_next_upstream_tries fastcgi_next_upstream fastcgi_next_upstream_tries "
    "uwsgi_next_upstream uwsgi_next_upstream_tries grpc_next_upstream grpc_next_upstream_tries": "`retry` of the "
    "upstream",
    "proxy_ssl_verify proxy_ssl_name proxy_ssl_server_name proxy_ssl_trusted_certificate proxy_ssl_certificate "
    "proxy_ssl_certificate_key proxy_ssl_crl proxy_ssl_protocols proxy_ssl_password_file grpc_ssl_verify grpc_ssl_name "
    "grpc_ssl_server_name grpc_ssl_trusted_certificate grpc_ssl_certificate grpc_ssl_certificate_key grpc_ssl_crl "
    "grpc_ssl_protocols grpc_ssl_password_file": "`tls` of the upstream",
    "proxy_set_header grpc_set_header proxy_pass_request_headers proxy_pass_request_body more_set_input_headers "
    "more_clear_input_headers": "`request_headers`, "
    "`send_host`; a hook for values without a placeholder; Upgrade and Connection are rsp's own",
    "add_header proxy_hide_header fastcgi_hide_header uwsgi_hide_header grpc_hide_header proxy_pass_header "
    "fastcgi_pass_header uwsgi_pass_header grpc_pass_header more_set_headers more_clear_headers": "`response_headers`",
    "root alias index try_files autoindex types default_type charset gzip_static brotli_static "
    "zstd_static": "`files`, `fallback`, `else_to`, "
    "`else_rewrite`; a hook that looks for files of other names, and for directories by variables",
    "sub_filter": "a hook that changes bodies",
    "proxy_method proxy_set_body": "a hook that changes the request",
    "echo": "as `return 200`",
    "expires": "`cache_control` of `files`, or Cache-Control",
    "allow deny satisfy limit_except": "`allow`, `deny`, `any`; a hook for methods",
    "auth_basic auth_basic_user_file": "`auth = { basic = ... }`",
    "auth_request auth_request_set": '`auth = { forward = ..., style = "auth_request" }`; '
    "a hook, where it is `if` and `return`",
    "limit_req limit_req_zone limit_req_status limit_req_dry_run": "`rate_limit`; no request is delayed",
    "limit_conn limit_conn_zone limit_conn_status limit_conn_dry_run": "`concurrency`",
    "limit_rate": "`bandwidth`",
    "return rewrite if set break": "`redirect`, `respond`, `rewrite`, `maintenance`; else a hook, "
    "which looks for a location again after `rewrite ... last`",
    "map geo split_clients": "functions of Lua, where they are used",
    "client_max_body_size large_client_header_buffers": "`limits`",
    "client_body_timeout client_header_timeout send_timeout proxy_connect_timeout proxy_read_timeout "
    "proxy_send_timeout fastcgi_connect_timeout fastcgi_read_timeout uwsgi_connect_timeout uwsgi_read_timeout "
    "grpc_connect_timeout grpc_read_timeout": "`timeouts`",
    "gzip gzip_types gzip_min_length gzip_comp_level brotli brotli_types brotli_comp_level brotli_min_length zstd "
    "zstd_types zstd_comp_level zstd_min_length": "`compress`",
    "access_log log_format": "`access_log`, with `format` and `fields`; a note names variables that they do not have",
    "error_page proxy_intercept_errors fastcgi_intercept_errors uwsgi_intercept_errors "
    "grpc_intercept_errors": "`page`, `failover`, `else_to`, or `on_error`",
    "real_ip_header set_real_ip_from real_ip_recursive": "`trusted`",
    "user worker_processes worker_cpu_affinity": "`user`, `group`, `workers`, `cpu_affinity`",
    "valid_referers": "a function of Lua for `$invalid_referer`",
    "absolute_redirect": "redirects to a path stay paths",
    "mirror mirror_request_body": "`mirror` of the route, where the copy goes to an upstream with the same path",
    "empty_gif": "a hook that answers with the picture",
}

# What has an effect wherever it stands, so that it is reported where nothing has asked for it.
_EVERYWHERE: Final = frozenset(
    ("echo", "more_clear_input_headers", "more_set_input_headers", "proxy_method", "proxy_pass_request_headers",
     "proxy_set_body", "sub_filter")
)  # fmt: skip
KNOWN: Final = frozenset(name for names in HANDLED for name in names.split()) - _EVERYWHERE
DROPPED: Final = _LEFT_OUT - KNOWN

CLOSING: Final = (
    "access_by_lua", "rewrite_by_lua", "auth_", "secure_link", "valid_referers", "js_access", "modsecurity",
    "internal", "limit_except", "allow", "deny", "satisfy", "geoip", "perl", "set_by_lua", "content_by_lua",
    "app_protect", "session_log", "naxsi", "SecRules", "DeniedUrl", "CheckRule", "testcookie", "ssl_verify_client",
    "js_content", "return", "if", "oidc", "auth",
)  # fmt: skip


# What nginx does not do unless it is told to.
_OFF: Final = (
    "add_header_inherit", "add_trailer_inherit", "auth_digest", "auth_jwt", "auth_ldap", "auth_pam", "concat",
    "dav_methods", "early_hints", "fastcgi_bind", "fastcgi_cache", "grpc_bind", "gunzip", "image_filter", "modsecurity",
    "pagespeed", "passenger_enabled", "post_action", "proxy_bind", "proxy_cache", "random_index", "scgi_bind", "ssi",
    "ssl_ocsp", "ssl_verify_client", "testcookie", "tunnel_pass", "userid", "uwsgi_bind", "uwsgi_cache",
    "vhost_traffic_status",
)  # fmt: skip

# Why a directive is not translated, by what its name begins with; the first that fits.
_REASONS: Final = (
    ("js_", "rsp does not run JavaScript; write a hook in Lua (docs/lua.md)"),
    ("perl", "rsp does not run Perl; write a hook in Lua (docs/lua.md)"),
    ("dav_ create_full_put_path", "rsp does not write files (WebDAV)"),
    ("sub_filter subs_filter", "rsp import does not change these bodies: a hook can, by on_response with res.filter "
     "(docs/lua.md)"),
    ("ssi add_before_body add_after_body xslt image_filter concat trim", "rsp does not change the bodies of responses"),
    ("proxy_bind fastcgi_bind uwsgi_bind scgi_bind grpc_bind memcached_bind", "the kernel chooses the address from "
     "which rsp connects to peers; for the address of the client: send_proxy = \"v2\" in the upstream"),
    ("ntlm", "clients share rsp's connections to peers; NTLM needs one for each client"),
    ("uwsgi_ssl", "rsp has no TLS for uwsgi"),
    ("uwsgi_modifier uwsgi_string", "rsp asks uWSGI for applications of WSGI only: modifiers 0 and 0"),
    ("fastcgi_pass_request uwsgi_pass_request", "rsp sends bodies and fields of requests to scripts"),
    ("userid", "rsp gives no cookies to clients to count them"),
    ("post_action", "rsp asks no second URL after a response; a hook can: on_log with http.get (docs/lua.md)"),
    ("random_index", "rsp chooses no file at random"),
    ("add_trailer", "rsp passes the trailers of peers on and adds none"),
    ("ssl_ocsp", "rsp does not ask OCSP services for certificates of clients; client_crl lists revoked ones"),
    ("modsecurity naxsi SecRules app_protect_", "rsp has no firewall for web applications"),
    ("passenger_", "rsp does not start applications: start it by itself, and name its address as a peer"),
    ("auth_jwt", "rsp checks tokens by auth = { jwt = ... } (docs/auth.md)"),
    ("auth_ldap auth_pam auth_digest auth_spnego auth_gss shib_", "rsp asks a service: auth = { forward = ... } "
     "(docs/auth.md)"),
    ("acme_", "rsp gets no certificates by itself: docs/tls.md shows certbot"),
    ("upload_", "rsp passes bodies on to peers and does not store them"),
    ("nchan_ push_stream_ rtmp", "rsp is a proxy and no server of messages or streams"),
)  # fmt: skip


_LEVELS: Final = {"warn": "warning"}
_SEVERE: Final = ("warn", "error", "crit", "alert", "emerg")


def is_closing(name: str) -> bool:
    return name.startswith(CLOSING)


def reason_for(name: str) -> str:
    """Why the directive is not translated."""
    if "_by_lua" in name:
        return "code for nginx's Lua module is another language than rsp's hooks (docs/lua.md); write it anew"
    for beginnings, reason in _REASONS:
        if name.startswith(tuple(beginnings.split())):
            return reason
    if name in _EVERYWHERE:
        return "rsp import does not translate this directive here"
    return "rsp import does not know this directive"


def note_of(name: str, args: list[str]) -> str:
    """Of ``NOTED``."""
    level = _LEVELS.get(args[-1], "error") if name == "error_log" and args[1:] and args[-1] in _SEVERE else ""
    return f'{NOTED[name]}; for fewer of them: log_level = "{level}"' if level else NOTED[name]


def changes_nothing(name: str, args: list[str]) -> bool:
    """Whether it only says what nginx does without it."""
    if args == ["off"]:
        return name.startswith(_OFF)
    return (args == ["on"] and "_pass_request_" in name) or (args == ["0"] and name.startswith("uwsgi_modifier"))

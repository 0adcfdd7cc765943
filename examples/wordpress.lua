-- WordPress: PHP-FPM for its scripts, rsp for its files.
-- Check it:  rsp -t examples/wordpress.lua
-- Ask it:    rsp explain examples/wordpress.lua "GET http://example.com/hello-world/"
-- Docs: docs/fastcgi.md, docs/files.md, docs/compression.md.

listen "0.0.0.0:8080"
compress = true

local root = "/srv/www/wordpress"              -- the same directory for rsp and PHP-FPM

upstream "php" {
  "unix:/run/php/php8.2-fpm.sock",
  protocol = "fastcgi",
  root = root,
  health = "/ping",                            -- ping.path = /ping in the pool of PHP-FPM
  max_conns = 5,                               -- pm.max_children: further requests wait in rsp, not at PHP-FPM
}

-- Uploads are only files: no script among them runs, here or in a browser.
route {
  path = "/wp-content/uploads",
  files = {
    root = root .. "/wp-content/uploads",
    hide = { "*.php", "*.phtml", "*.phar" },
    cache_control = "public, max-age=604800",
  },
  response_headers = { set = { ["Content-Security-Policy"] = "script-src 'none'", ["X-Content-Type-Options"] = "nosniff" } },
}

-- Ten logins a minute for each client; XML-RPC is another way to guess passwords.
route { exact = "/wp-login.php", to = "php", rate_limit = { key = "{client}", rate = "10r/m", burst = 10 } }
route { exact = "/xmlrpc.php", respond = { status = 403 } }

-- A file, if it exists; else a script by its name, the index of a directory, or /index.php, which handles all other
-- paths, such as /robots.txt and /wp-sitemap.xml.  Requests for hidden files also go to WordPress, which sends 404.
route {
  files = {
    root = root,
    hide = { "*.log", "*.sql", "*.sql.*", "*.bak", "*.old", "*.orig", "*~", "wp-config*", "readme.html", "license.txt" },
    cache_control = { ["wp-content/*"] = "public, max-age=604800", ["wp-includes/*"] = "public, max-age=604800" },
  },
  else_to = "php",
  limits = { body = "64MB" },                  -- upload_max_filesize and post_max_size are PHP's own
  timeouts = { response = "120s" },
  response_headers = { remove = { "X-Powered-By" } },
}

test("uploads do not run", function()
  assert(simulate{ path = "/wp-content/uploads/2024/05/shell.php" }.status == 404)
  assert(simulate{ path = "/wp-content/uploads/x.jpg/y.php" }.status == 404)
  assert(simulate{ path = "/wp-content/uploads/shell.php", method = "POST" }.status == 405)
end)

test("pages are for WordPress", function()
  for _, path in ipairs{ "/", "/hello-world/", "/wp-json/wp/v2/posts", "/wp-sitemap.xml" } do
    assert(simulate{ path = path }.upstream == "php", path)
  end
end)

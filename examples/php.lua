-- A PHP application with a front controller (Laravel, Symfony, Drupal): PHP-FPM for index.php, rsp for all other files.
-- WordPress, which has many scripts: wordpress.lua.
-- Check it:  rsp -t examples/php.lua      Ask it:  rsp explain examples/php.lua "GET http://example.com/orders/7"
-- Docs: docs/fastcgi.md, docs/files.md.

listen "0.0.0.0:8080"
compress = true

local public = "/var/www/shop/public"          -- as PHP-FPM sees it; rsp checks there whether a script exists

upstream "php" {
  "unix:/run/php/php8.2-fpm.sock",
  protocol = "fastcgi",
  root = public,
  health = "/ping",                            -- ping.path = /ping in the pool of PHP-FPM
  max_conns = 5,                               -- pm.max_children: further requests wait in rsp, not at PHP-FPM
}

-- File names contain a hash of the content, so browsers keep these files permanently; no script among them runs.
route {
  path = "/build",
  files = { root = public .. "/build", hide = { "*.php" }, cache_control = "public, max-age=31536000, immutable" },
}

-- Clients reach only index.php, and no other script.
route { regex = [[\.php(?:/|$)]], respond = { status = 404 } }
route { path = "/index.php", first = true, to = "php" }

-- Ten logins a minute for each client.
route { exact = "/login", methods = { "POST" }, to = "php", rate_limit = { key = "{client}", rate = "10r/m", burst = 10 } }

-- A file, if it exists; all other paths go to index.php.
route {
  files = public,
  else_to = "php",
  limits = { body = "64MB" },                  -- upload_max_filesize and post_max_size are PHP's own
  timeouts = { response = "120s" },
  response_headers = { remove = { "X-Powered-By" } },
}

test("scripts other than the front controller do not run", function()
  assert(simulate{ path = "/tools/info.php" }.status == 404)
  assert(simulate{ path = "/uploads/x.php/y" }.status == 404)
  assert(simulate{ path = "/index.php/orders/7" }.upstream == "php")
end)

test("addresses of the application are for PHP", function()
  assert(simulate{ path = "/orders/7" }.upstream == "php")
  assert(simulate{ path = "/build/app-0a1b2c3d.js" }.upstream == nil)
end)

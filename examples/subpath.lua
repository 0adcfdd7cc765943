-- A FastAPI application under /api, beside another application for the rest of the host.
--   uvicorn shop:app --port 9001
-- The application is written for "/", so rsp strips /api from requests, and adds it in redirects and
-- cookies.  X-Forwarded-Prefix contains the prefix.  Only the application's documentation page needs a setting:
-- FastAPI(root_path="/api").

listen "127.0.0.1:8000"
upstream "api" { "127.0.0.1:9001" }
upstream "site" { "127.0.0.1:9002" }

route { path = "/api", slash = "redirect", strip = true, rewrite_location = true, to = "api" }
route { to = "site" }

-- Old URLs: a group of the regular expression becomes a part of the new URL.
route { regex = "^/v1/items/([0-9]+)$", redirect = { to = "/api/items/{1}", status = 308 } }

test("the application sees its own paths, and where it is", function()
  local r = simulate{ path = "/api/items?limit=1" }
  assert(r.upstream == "api" and r.request.path == "/items?limit=1")
  assert(r.request.headers["x-forwarded-prefix"] == "/api")
end)

test("the client sees those below /api", function()
  local headers = { Location = "/items/", ["Set-Cookie"] = "a=b; Path=/" }
  local r = simulate{ path = "/api/items", response = { status = 307, headers = headers } }
  assert(r.headers["location"] == "/api/items/")
  assert(r.headers["set-cookie"] == "a=b; Path=/api")
end)

test("former addresses keep their query", function()
  assert(simulate{ path = "/v1/items/7?full=1" }.headers["location"] == "/api/items/7?full=1")
end)

-- wrk's side of the bench: wrk ... -s wrk.lua URL -- KIND PATH.  KIND: browser, page, bare, post
-- or fields (those of BENCH_FIELDS, a line each).

local browser = {
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
  ["Accept-Language"] = "en-GB,en;q=0.9,de;q=0.7",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Cookie"] = "session=8d4f1c0e2b7a49f6b3a5; theme=dark; _ga=GA1.2.1123581321.1714000000",
  ["Referer"] = "http://shop.example.com/catalogue/shoes?page=3",
  ["Cache-Control"] = "max-age=0",
  ["Upgrade-Insecure-Requests"] = "1",
  ["Sec-Fetch-Dest"] = "document",
  ["Sec-Fetch-Mode"] = "navigate",
  ["Sec-Fetch-Site"] = "same-origin",
  ["Sec-CH-UA-Platform"] = '"Linux"',
}                                           -- and Host: 13 fields

local requests, turn = {}, 0

function init(args)
  local kind, path = args[1], args[2]
  if kind == "page" then                    -- a page of another site, with a password or a token
    browser["Origin"] = "https://app.example.com"
    browser["Authorization"] = os.getenv("BENCH_AUTHORIZATION")
  end
  if kind == "browser" or kind == "page" then
    for number = 1, 2000 do                 -- no two neighbours alike: neither path nor cookie
      local fields = {}
      for name, value in pairs(browser) do fields[name] = value end
      fields["Cookie"] = fields["Cookie"] .. "." .. number
      requests[number] = wrk.format("GET", path .. "?item=" .. number * 7919, fields)
    end
  elseif kind == "post" then
    requests[1] = wrk.format("POST", path, { ["Content-Type"] = "application/json" }, string.rep("x", 4096))
  elseif kind == "fields" then
    local fields = {}
    for name, value in (os.getenv("BENCH_FIELDS") or ""):gmatch("([^:\n]+): ([^\n]+)") do fields[name] = value end
    requests[1] = wrk.format("GET", path, fields)
  else
    requests[1] = wrk.format("GET", path)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%.6f,"bytes":%d,"errors":%d,"p50":%.1f,"p99":%.1f,"p999":%.1f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end

-- Requests of scripts/bench.py for wrk. Arguments after `--`: path, body, number of keys (0 for none).
-- With keys, the path's %d becomes a random key number at each request.

local path, body, keys

function init(arguments)
  path, body, keys = arguments[1], arguments[2], tonumber(arguments[3])
  math.randomseed(os.time())
  wrk.headers["content-type"] = "application/json"
end

function request()
  local target = path
  if keys > 0 then target = string.format(path, math.random(0, keys - 1)) end
  return wrk.format("POST", target, nil, body)
end

-- One line of JSON, which the script reads; latencies in microseconds.
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "failed": %d, "broken": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end

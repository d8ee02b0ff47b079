-- Counts a call in the sliding window if the limits allow it. The server's clock decides for all workers.
-- KEYS: calls (sorted set: id by time), tokens (hash: tokens by id)
-- ARGV: id, tokens, limit of requests, limit of tokens (-1: none), window in milliseconds
-- Returns 0 if it was counted, else the milliseconds until it may fit.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[5])

local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - window)
for _, call in ipairs(gone) do
  redis.call('ZREM', KEYS[1], call)
  redis.call('HDEL', KEYS[2], call)
end

local counted = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local count = #counted / 2
local asked, requests, tokens = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local leaving = 0 -- how many of the oldest must leave the window first
if requests >= 0 then
  leaving = math.max(0, count - requests + 1)
end
if tokens >= 0 and count > 0 then
  local of, used = {}, 0
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    of[all[i]] = tonumber(all[i + 1])
  end
  for i = leaving + 1, count do
    used = used + (of[counted[2 * i - 1]] or 0)
  end
  while leaving < count and used + asked > tokens do
    leaving = leaving + 1
    used = used - (of[counted[2 * leaving - 1]] or 0)
  end
end
if leaving > 0 then
  return math.max(1, tonumber(counted[2 * leaving]) + window - now)
end

redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], asked)
redis.call('PEXPIRE', KEYS[1], window)
redis.call('PEXPIRE', KEYS[2], window)
return 0

-- Corrects the tokens of a call that is still in the window.
-- KEYS: calls (sorted set), tokens (hash)
-- ARGV: id, tokens
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
return 0

#!lua flags=allow-oom
-- Count requests that the ingest refused, by status.
--
-- KEYS[1] ledger hash
-- ARGV status and requests in turn
--
-- Returns 1.
for i = 1, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], 'ingest_refused:' .. ARGV[i], ARGV[i + 1]) end
return 1

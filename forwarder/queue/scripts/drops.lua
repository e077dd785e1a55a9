#!lua flags=allow-oom
-- Count events that a producer had to drop, by reason; once, however often it is tried.
--
-- KEYS[1] ledger hash   KEYS[2] chunk string (the trace of this report)
-- ARGV[1] life of the trace (seconds)   ARGV[2..] reason and events in turn
--
-- Returns 1 | 0 when it had been counted before.
if not redis.call('SET', KEYS[2], 'drops', 'NX', 'EX', ARGV[1]) then return 0 end
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], 'dropped:' .. ARGV[i], ARGV[i + 1]) end
return 1

#!lua flags=allow-oom
-- Add to counters of the ledger; once, however often it is tried, when there is a trace to be left.
--
-- KEYS[1] ledger hash   KEYS[2] chunk string (the trace), when it is to be counted once
-- ARGV[1] life of the trace (seconds)   ARGV[2..] counters and what is added, in turn
--
-- Returns 1 | 0 when it had been counted before.
if KEYS[2] and not redis.call('SET', KEYS[2], 'tally', 'NX', 'EX', ARGV[1]) then return 0 end
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1

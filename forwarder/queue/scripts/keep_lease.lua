#!lua flags=allow-oom
-- Prolong a lease that is ours, or take it when nobody has it. A promise (see wake.lua) may be taken by any drain of
-- the slot: the job for which it was given may be lost, or wait behind an older one.
--
-- KEYS[1] lease string   ARGV[1] my token   ARGV[2] life (ms)
--
-- Returns 1 while the lease is ours, 0 when another drain holds it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= 'promised' then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1

#!lua flags=allow-oom
-- Is there something to tell of a destination? Of each kind at most once a minute, and for the whole fleet once: dead
-- letters after a quiet time, a pause and its end, a backlog whose oldest entry has waited too long.
--
-- KEYS[1] notices hash   KEYS[2] ledger hash   KEYS[3] events stream   KEYS[4] outbox hash
-- ARGV[1] destination    ARGV[2] '1' when it is paused                 ARGV[3] why
-- ARGV[4] quiet time (ms)   ARGV[5] age of the backlog (ms)   ARGV[6] '1' when notices are to be posted
--
-- Returns the notices, JSON.
local KIND_EVERY_MS = 60000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stamp = string.format('%d', now)
local notices = {}

local function tell(kind, facts)
  local last = tonumber(redis.call('HGET', KEYS[1], 'told:' .. kind) or 0)
  if now - last < KIND_EVERY_MS then return false end
  redis.call('HSET', KEYS[1], 'told:' .. kind, stamp)
  local id = kind .. '-' .. ARGV[1] .. '-' .. stamp
  local notice = {id = id, kind = kind, destination = ARGV[1], at = now, facts = facts, attempts = 0, due = 0}
  notices[#notices + 1] = cjson.encode(notice)
  if ARGV[6] == '1' then redis.call('HSET', KEYS[4], id, notices[#notices]) end
  return true
end

local known = redis.call('HMGET', KEYS[1], 'dead', 'grew', 'paused', 'late')
local dead = tonumber(redis.call('HGET', KEYS[2], 'dead_lettered') or 0)
local new = dead - tonumber(known[1] or 0)
if new > 0 then
  if now - tonumber(known[2] or 0) >= tonumber(ARGV[4]) then tell('dead_letters', {new = new, total = dead}) end
  redis.call('HSET', KEYS[1], 'dead', dead, 'grew', stamp)
end

if ARGV[2] ~= (known[3] or '0') and tell(ARGV[2] == '1' and 'paused' or 'resumed', {reason = ARGV[3]}) then
  redis.call('HSET', KEYS[1], 'paused', ARGV[2])
end

local age = 0
local oldest = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', 1)[1]
if oldest then
  local since = tonumber(string.match(oldest[1], '^%d+'))
  for i = 1, #oldest[2], 2 do
    if oldest[2][i] == 'queued' then since = tonumber(oldest[2][i + 1]) or since end
  end
  age = now - since
end
if age <= tonumber(ARGV[5]) then
  if known[4] == '1' then redis.call('HSET', KEYS[1], 'late', '0') end
elseif known[4] ~= '1' then
  local pending = tonumber(redis.call('HGET', KEYS[2], 'pending') or 0)
  if tell('backlog', {oldest_s = math.floor(age / 1000), pending = pending}) then redis.call('HSET', KEYS[1], 'late', '1') end
end
return notices

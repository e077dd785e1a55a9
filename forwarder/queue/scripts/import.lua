#!lua
-- Bury exported letters again, each once: one that is still there, or was imported before, is passed over.
--
-- KEYS[1] ledger hash   KEYS[2] dead stream   KEYS[3] imported hash
-- ARGV[1] how long imports are remembered (ms)   ARGV[2] '1' to take again what was imported and is not dead any more
-- ARGV[3] letters; then per letter: what identifies it, its id when it was exported ('' when it had none), and the
-- values of the fields named in LETTER below.
--
-- Returns {letters buried, letters passed over}.
local LETTER = {'body', 'reason', 'status', 'error', 'attempts', 'at', 'source', 'batch', 'entry', 'replays'}
local at, buried, reasons = 3, 0, {}

local function there(id)
  return id ~= '' and redis.call('XRANGE', KEYS[2], id, id)[1]
end

local function is_known(identity, id, body)
  local known = redis.call('HGET', KEYS[3], identity)
  if known then return ARGV[2] ~= '1' or there(known) end
  local present = there(id)
  if not present then return false end
  for i = 1, #present[2], 2 do
    if present[2][i] == 'body' then return present[2][i + 1] == body or string.byte(body) == 0 end -- sealed anew
  end
  return body == ''
end

for _ = 1, ARGV[3] do
  local identity, id = ARGV[at + 1], ARGV[at + 2]
  if not is_known(identity, id, ARGV[at + 3]) then
    local fields = {}
    for f, name in ipairs(LETTER) do
      local value = ARGV[at + 2 + f]
      if value ~= '' then fields[#fields + 1] = name; fields[#fields + 1] = value end
    end
    redis.call('HSET', KEYS[3], identity, redis.call('XADD', KEYS[2], '*', unpack(fields)))
    reasons[ARGV[at + 4]] = (reasons[ARGV[at + 4]] or 0) + 1
    buried = buried + 1
  end
  at = at + 2 + #LETTER
end
if buried > 0 then
  redis.call('HINCRBY', KEYS[1], 'accepted', buried)
  redis.call('HINCRBY', KEYS[1], 'accepted:imported', buried)
  redis.call('HINCRBY', KEYS[1], 'dead_lettered', buried)
  for reason, times in pairs(reasons) do redis.call('HINCRBY', KEYS[1], 'dead_lettered:' .. reason, times) end
  redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
return {buried, tonumber(ARGV[3]) - buried}

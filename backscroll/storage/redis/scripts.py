"""What runs inside Redis, whole or not at all: a commit, and a look into an index.

Keys of a prefix: `v:` and a namespace is the hash of its values, `i:`, a term and a namespace the sorted set of the
keys whose values have the term, `l:` a list, `n:` and a namespace the set of its lists' keys, `generation` the count of
commits, `c:` and a process the number of its last commit, `turn` who alone may commit now. A value is its version, its
terms, a line feed and its JSON.
Proved by `tests/unit/storage/redis/test_transactions.py`.
"""

VERSION_LENGTH = 12

COMMITTED, CONFLICT, NOT_YOUR_TURN = 1, 0, 2

KNOWN_S = 3_600
"""Seconds for which a process' last commit is known; one that is sent again later is refused before."""

# ARGV: version, turn, process, its number of this commit, generation, whether it writes; then, each as so many chunks
# (a JSON array of texts) with their count before them: checked values (namespace, key, version), checked indexes (key,
# size), checked lists (key, length), writes (namespace, key, value or nothing, terms, score), items (namespace, list,
# key, item). Lua keeps each string once, and finds those that differ in few places slowly among many, so what a chunk
# left is cleared away before the next.
COMMIT = f"""
local prefix, version, turn, process = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local number, generation, changes = tonumber(ARGV[4]), ARGV[5], ARGV[6] == '1'
local at = 6
local function take()
  at = at + 1
  return ARGV[at]
end
local function stored(namespace, key)
  return redis.call('HGET', prefix .. 'v:' .. namespace, key) or ''
end
local function each(width, work)
  local count = tonumber(take())
  for _ = 1, count do
    local chunk = cjson.decode(take())
    for first = 1, #chunk, width do
      if work(unpack(chunk, first, first + width - 1)) == false then return false end
    end
    chunk = nil
    if count > 1 then collectgarbage() end
  end
  return true
end
local last = tonumber(redis.call('GET', prefix .. 'c:' .. process) or '0')
if last >= number then return last == number and 1 or 0 end
if generation ~= '' and (redis.call('GET', prefix .. 'generation') or '0') ~= generation then return 0 end
if not each(3, function(namespace, key, expected)
  return string.sub(stored(namespace, key), 1, 12) == expected
end) then return 0 end
if not each(2, function(key, size) return redis.call('ZCARD', key) == tonumber(size) end) then return 0 end
if not each(2, function(key, length) return redis.call('LLEN', key) == tonumber(length) end) then return 0 end
if changes then
  local holder = redis.call('GET', prefix .. 'turn')
  if holder and holder ~= turn then return 2 end
end
each(5, function(namespace, key, value, terms, score)
  local function index(term) return prefix .. 'i:' .. term .. ':' .. namespace end
  local old = stored(namespace, key)
  local before = old == '' and '' or string.sub(old, 13, string.find(old, '\\n', 13, true) - 1)
  if before ~= terms then
    for term in string.gmatch(before, '%S+') do redis.call('ZREM', index(term), key) end
  end
  if before ~= terms or score ~= '0' then
    for term in string.gmatch(terms, '%S+') do redis.call('ZADD', index(term), score, key) end
  end
  if value == '' then
    redis.call('HDEL', prefix .. 'v:' .. namespace, key)
  else
    redis.call('HSET', prefix .. 'v:' .. namespace, key, value)
  end
end)
each(4, function(namespace, list, key, item)
  redis.call('RPUSH', list, item)
  redis.call('SADD', prefix .. 'n:' .. namespace, key)
end)
if changes then
  redis.call('INCR', prefix .. 'generation')
  redis.call('SET', prefix .. 'c:' .. process, ARGV[4], 'EX', {KNOWN_S})
end
if turn ~= '' then redis.call('DEL', prefix .. 'turn') end
return 1
"""

# ARGV: namespace, terms. Gives each term that something has, with the keys and the values that have it.
LOOK = """
local prefix, namespace, found = KEYS[1], ARGV[1], {}
for n = 2, #ARGV do
  local keys = redis.call('ZRANGE', prefix .. 'i:' .. ARGV[n] .. ':' .. namespace, 0, -1)
  for first = 1, #keys, 1000 do
    local part = {unpack(keys, first, math.min(first + 999, #keys))}
    found[#found + 1] = {ARGV[n], part, redis.call('HMGET', prefix .. 'v:' .. namespace, unpack(part))}
  end
end
return found
"""

# ARGV: namespace, whether backwards, offset, count (-1: all), terms. Gives the size of the first term's index, how
# many lists the namespace has, then key and value of each that has all the terms: by score, then by key.
FIND = """
local prefix, namespace, backwards = KEYS[1], ARGV[1], ARGV[2] == '1'
local start, count = tonumber(ARGV[3]), tonumber(ARGV[4])
local indexes = {}
for n = 5, #ARGV do indexes[#indexes + 1] = prefix .. 'i:' .. ARGV[n] .. ':' .. namespace end
local found = {redis.call('ZCARD', indexes[1]), redis.call('SCARD', prefix .. 'n:' .. namespace)}
local keys = {}
if count == 0 then
  return found
elseif #indexes == 1 then
  local stop = count < 0 and -1 or start + count - 1
  keys = redis.call(backwards and 'ZREVRANGE' or 'ZRANGE', indexes[1], start, stop)
else
  local command = {'ZINTER', #indexes}
  for n = 1, #indexes do command[#command + 1] = indexes[n] end
  command[#command + 1] = 'AGGREGATE'
  command[#command + 1] = 'MAX'
  local all = redis.call(unpack(command))
  for n = start + 1, count < 0 and #all or math.min(#all, start + count) do
    keys[#keys + 1] = all[backwards and #all + 1 - n or n]
  end
end
for first = 1, #keys, 1000 do
  local last = math.min(first + 999, #keys)
  local values = redis.call('HMGET', prefix .. 'v:' .. namespace, unpack(keys, first, last))
  for n = first, last do
    found[#found + 1] = keys[n]
    found[#found + 1] = values[n - first + 1]
  end
end
return found
"""

//! The steps as scripts, each of which the server runs whole.
//!
//! The keys: the lease (`fence owner`, gone when it ends), the entry (with its header), the greatest
//! fence that was granted, and the logins by minute. What is not in its form (another program's, or of
//! another type) counts as absent. Fences are microseconds of the server's
//! clock, so that they go on growing when the server lost what it knew. Only commands of Redis 6.2,
//! and none that answer differently to the same user in a Cluster.

use redis::Value;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisResult, ServerErrorKind};

/// One step for one key.
pub(super) struct Call<'a> {
    pub(super) script: &'static Script,
    pub(super) keys: Vec<String>,
    pub(super) arguments: &'a [&'a [u8]],
    pub(super) slot: u16,
}

pub(super) struct Script {
    /// What it touches and no more: while a slot moves, a Cluster serves steps on one key only.
    pub(super) keys: &'static [&'static str],
    text: &'static str,
}

impl Call<'_> {
    /// Runs it on this server; `asking` if the server was named by one that gives the slot away.
    pub(super) async fn invoke(
        &self,
        connection: &mut MultiplexedConnection,
        asking: bool,
    ) -> RedisResult<Value> {
        if asking {
            // The two belong together, and this is rare: no try by name.
            let mut pipe = redis::pipe();
            pipe.cmd("ASKING").ignore();
            pipe.add_command(self.command("EVAL", self.script.text.as_bytes()));
            let (value,) = pipe.query_async(connection).await?;
            return Ok(value);
        }
        let by_name = self.command("EVALSHA", self.script.name().as_bytes());
        match by_name.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let whole = self.command("EVAL", self.script.text.as_bytes());
                whole.query_async(connection).await
            }
            answer => answer,
        }
    }

    fn command(&self, name: &str, script: &[u8]) -> redis::Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in self.arguments {
            command.arg(*argument);
        }
        command
    }
}

impl Script {
    /// What the server calls it: SHA-1 in hexadecimal digits. No secrecy depends on it.
    fn name(&self) -> String {
        use std::fmt::Write;
        let digest = ring::digest::digest(
            &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            self.text.as_bytes(),
        );
        let mut name = String::with_capacity(40);
        for byte in digest.as_ref() {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}

/// The entry and what is left of its time, in milliseconds.
pub(super) const GET: Script = Script {
    keys: &["entry"],
    text: "local entry = redis.pcall('GET', KEYS[1])
if type(entry) ~= 'string' then return false end
return {entry, redis.call('PTTL', KEYS[1])}",
};

/// Owner, fence, time to live, entry with header. 1 if it is there now, 0 if a newer one was.
/// The entry goes first: when the server is full that fails, and nothing has changed.
pub(super) const PUT: Script = Script {
    keys: &["lease", "entry"],
    text: "local there = redis.pcall('GET', KEYS[2])
local fence = type(there) == 'string' and tonumber(there:match('^1 (%d+) '))
local put = 1
if fence and fence > tonumber(ARGV[2]) then
  put = 0
else
  redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
end
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held:match('^%d+ (%x+)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return put",
};

/// Owner, time. {1, fence} if granted or extended, {0, fence, milliseconds left} if held.
/// The greatest fence is remembered for a day, in case the server's clock is set back.
pub(super) const ACQUIRE: Script = Script {
    keys: &["lease", "entry", "fence"],
    text: "local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' then
  local fence, owner = held:match('^(%d+) (%x+)$')
  local left = redis.call('PTTL', KEYS[1])
  if fence and left >= 0 then
    if owner ~= ARGV[1] then return {0, tonumber(fence), left} end
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    return {1, tonumber(fence)}
  end
end
local now = redis.call('TIME')
local fence = now[1] * 1000000 + now[2]
local function above(text, pattern)
  local other = type(text) == 'string' and tonumber(text:match(pattern))
  if other and other >= fence and other < 9007199254740991 then fence = other + 1 end
end
above(redis.pcall('GET', KEYS[2]), '^1 (%d+) ')
above(redis.pcall('GET', KEYS[3]), '^(%d+)$')
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[1], text .. ' ' .. ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[3], text, 'EX', 86400)
return {1, fence}",
};

/// Owner. Ends the lease if it is this owner's.
pub(super) const RELEASE: Script = Script {
    keys: &["lease"],
    text: "local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held:match('^%d+ (%x+)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1",
};

/// The fence of the lease that is held, or nothing.
pub(super) const HOLDER: Script = Script {
    keys: &["lease"],
    text: "local held = redis.pcall('GET', KEYS[1])
local fence = type(held) == 'string' and held:match('^(%d+) %x+$')
return fence and tonumber(fence) or false",
};

/// Logins. The sum of the last hour, by minutes: a minute counts until its last second is an hour old.
pub(super) const COUNT: Script = Script {
    keys: &["count"],
    text: "local minute = math.floor(redis.call('TIME')[1] / 60)
local logins = tonumber(ARGV[1])
local minutes = redis.pcall('HGETALL', KEYS[1])
if minutes.err then
  redis.call('DEL', KEYS[1])
  minutes = {}
end
local sum = logins
for i = 1, #minutes, 2 do
  local of = tonumber(minutes[i])
  if of and of >= minute - 60 then
    sum = sum + (tonumber(minutes[i + 1]) or 0)
  elseif logins > 0 then
    redis.call('HDEL', KEYS[1], minutes[i])
  end
end
if logins > 0 then
  redis.call('HINCRBY', KEYS[1], minute, logins)
  redis.call('PEXPIRE', KEYS[1], 3720000)
end
return sum",
};

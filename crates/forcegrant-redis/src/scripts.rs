//! The calls of a store as scripts, each of which the server runs atomically.
//!
//! The keys: the lease (`fence owner`, gone when it ends), the entry (with its header), the greatest
//! fence that was granted, and the logins by minute. A value in another form
//! (another program's, or of another type) counts as absent. Fences are microseconds of the server's
//! clock, so that they go on growing if the server loses its data. Only commands of Redis 6.2,
//! and none that need more rights in a Cluster.

use redis::Value;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisResult, ServerErrorKind};

/// A script with the keys and arguments that it is run with.
pub(crate) struct ScriptCall<'a> {
    pub(crate) script: &'static Script,
    pub(crate) keys: Vec<String>,
    pub(crate) arguments: &'a [&'a [u8]],
    pub(crate) slot: u16,
}

pub(crate) struct Script {
    /// The kinds of keys that it uses. While a slot moves, a Cluster runs scripts on one key only.
    pub(crate) keys: &'static [&'static str],
    text: &'static str,
}

impl ScriptCall<'_> {
    /// Runs it on this server. `asking`: the server is about to get the slot, and the one that gives it away named it.
    pub(crate) async fn invoke(
        &self,
        connection: &mut MultiplexedConnection,
        asking: bool,
    ) -> RedisResult<Value> {
        if asking {
            // ASKING is for the very next command, so the script is not tried by its digest first.
            let mut pipe = redis::pipe();
            pipe.cmd("ASKING").ignore();
            pipe.add_command(self.command("EVAL", self.script.text.as_bytes()));
            let (value,) = pipe.query_async(connection).await?;
            return Ok(value);
        }
        let by_digest = self.command("EVALSHA", self.script.digest().as_bytes());
        match by_digest.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let in_full = self.command("EVAL", self.script.text.as_bytes());
                in_full.query_async(connection).await
            }
            result => result,
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
    /// SHA-1 in hexadecimal digits, as the server computes it. No secrecy depends on it.
    fn digest(&self) -> String {
        use std::fmt::Write;
        let digest = ring::digest::digest(
            &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            self.text.as_bytes(),
        );
        let mut hexadecimal = String::with_capacity(40);
        for byte in digest.as_ref() {
            let _ = write!(hexadecimal, "{byte:02x}");
        }
        hexadecimal
    }
}

/// `believed(text, pattern)`: the fence in a text, unless it is further ahead than any clock can be: the rule of
/// `protocol::Register` in microseconds.
macro_rules! believed {
    () => {
        "local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local horizon = now + 86400000000
local function believed(text, pattern)
  local fence = type(text) == 'string' and tonumber(text:match(pattern))
  return fence and fence <= horizon and fence or 0
end
"
    };
}

/// `lease()`: fence, owner and milliseconds left of the lease, or nothing. A lease without an end, or for longer than any
/// is granted for, counts as absent.
macro_rules! lease {
    () => {
        concat!(
            believed!(),
            "local function lease()
  local held = redis.pcall('GET', KEYS[1])
  local fence = believed(held, '^(%d+) %x+$')
  local left = fence > 0 and redis.call('PTTL', KEYS[1]) or 0
  if left > 0 and left <= 60000 then return fence, held:match('^%d+ (%x+)$'), left end
end
"
        )
    };
}

/// The entry and what is left of its time, in milliseconds. An entry that is too large is not returned.
pub(crate) const GET: Script = Script {
    keys: &["entry"],
    text: "local entry = redis.pcall('GET', KEYS[1])
if type(entry) ~= 'string' or #entry > 1048640 then return false end
return {entry, redis.call('PTTL', KEYS[1])}",
};

/// Owner, fence, time to live, entry with header. Returns 1 if it was stored, 0 if there was a newer one or a lease was
/// granted since. The entry is set first: if the server is full, that fails and nothing has changed.
pub(crate) const PUT: Script = Script {
    keys: &["lease", "entry", "fence"],
    text: concat!(
        lease!(),
        "local own = tonumber(ARGV[2])
local greatest = math.max(
  believed(redis.pcall('GET', KEYS[2]), '^1 (%d+) '), believed(redis.pcall('GET', KEYS[3]), '^(%d+)$'))
local fence, owner = lease()
local put = 1
if own > horizon or own < greatest or own < (fence or 0) then
  put = 0
else
  redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[3])
end
if owner == ARGV[1] then redis.call('DEL', KEYS[1]) end
return put"
    ),
};

/// Owner, time. Returns {1, fence} if granted or extended, {0, fence, milliseconds left} if another owner has it.
/// The greatest fence is remembered for a day, in case the server's clock is set back.
pub(crate) const ACQUIRE: Script = Script {
    keys: &["lease", "entry", "fence"],
    text: concat!(
        lease!(),
        "local fence, owner, left = lease()
if owner == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {1, fence}
end
if owner then return {0, fence, left} end
fence = math.max(now, 1 + believed(redis.pcall('GET', KEYS[2]), '^1 (%d+) '),
  1 + believed(redis.pcall('GET', KEYS[3]), '^(%d+)$'))
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[1], text .. ' ' .. ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[3], text, 'EX', 86400)
return {1, fence}"
    ),
};

/// Owner. Ends the lease if it is this owner's.
pub(crate) const RELEASE: Script = Script {
    keys: &["lease"],
    text: "local held = redis.pcall('GET', KEYS[1])
if type(held) == 'string' and held:match('^%d+ (%x+)$') == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1",
};

/// The fence of the lease that is held, or nothing.
pub(crate) const HOLDER: Script = Script {
    keys: &["lease"],
    text: concat!(lease!(), "return lease() or false"),
};

/// Logins. Returns the sum of the last hour, by minutes: a minute counts until its last second is an hour old. Later
/// minutes do not count, except the next one: after a failover the clock may be a little behind.
pub(crate) const COUNT: Script = Script {
    keys: &["count"],
    text: "local minute = math.floor(redis.call('TIME')[1] / 60)
local logins = tonumber(ARGV[1])
local minutes = redis.pcall('HGETALL', KEYS[1])
if minutes.err then
  redis.call('DEL', KEYS[1])
  minutes = {}
end
local function number(text) return #text <= 15 and text:match('^%d+$') and tonumber(text) end
local sum = logins
for i = 1, #minutes, 2 do
  local of, count = number(minutes[i]), number(minutes[i + 1])
  if of and count and of >= minute - 60 and of <= minute + 1 then
    sum = sum + count
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

#[cfg(test)]
mod tests {
    use super::*;
    use forcegrant_proto::moment::millis;
    use forcegrant_proto::store::protocol;

    #[test]
    fn the_scripts_have_the_bounds_of_the_protocol() {
        let entry = protocol::LARGEST_ENTRY + crate::entry::MAX_ENTRY_HEADER;
        assert!(GET.text.contains(&format!("#entry > {entry} ")));
        let lease = millis(protocol::LONGEST_LEASE);
        let ahead = protocol::AHEAD * 1_000;
        for script in [&PUT, &ACQUIRE, &HOLDER] {
            assert!(script.text.contains(&format!("left <= {lease} ")));
            assert!(script.text.contains(&format!("now + {ahead}\n")));
        }
    }
}

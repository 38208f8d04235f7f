//! User and password of a server.

use forcegrant_proto::secret::Secret;
use redis::RedisConnectionInfo;

/// User and password of a server.
#[derive(Clone, Default)]
pub(crate) struct ServerCredentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl ServerCredentials {
    pub(crate) fn new(user: Option<&str>, password: impl Into<Secret>) -> Self {
        Self {
            user: user.map(str::to_owned),
            password: Some(password.into()),
        }
    }

    pub(crate) fn connection_info(&self, database: i64) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default()
            .set_db(database)
            .set_skip_set_lib_name();
        if let Some(user) = &self.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password.expose());
        }
        info
    }
}

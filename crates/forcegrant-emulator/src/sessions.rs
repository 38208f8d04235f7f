//! The sessions behind the tokens.

use std::collections::HashMap;

use crate::config::AccessTokenFormat;

/// One session: what a token stands for.
#[derive(Clone)]
pub(crate) struct EmulatedSession {
    pub(crate) token: String,
    pub(crate) org_id: String,
    pub(crate) client_id: String,
    pub(crate) app_name: String,
    pub(crate) user_id: String,
    pub(crate) username: String,
    pub(crate) identity_url: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) format: AccessTokenFormat,
    pub(crate) starts_ms: u64,
    pub(crate) ends_ms: u64,
    /// `None`: the end never moves.
    pub(crate) idle_timeout_ms: Option<u64>,
}

/// Which logins share a session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SharedBy {
    pub(crate) org_id: String,
    pub(crate) app: usize,
    pub(crate) user_id: String,
    pub(crate) scopes: Vec<String>,
}

/// All sessions; ended ones stay until the next sweep.
#[derive(Default)]
pub(crate) struct Sessions {
    by_token: HashMap<String, EmulatedSession>,
    current: HashMap<SharedBy, String>,
    sweep_at: usize,
}

impl EmulatedSession {
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|have| have == scope)
    }

    /// Salesforce moves the end only when the second half of the idle time has begun.
    fn touch(&mut self, now_ms: u64) {
        if let Some(timeout) = self.idle_timeout_ms
            && now_ms + timeout / 2 >= self.ends_ms
        {
            self.ends_ms = now_ms + timeout;
        }
    }
}

impl Sessions {
    pub(crate) fn add(
        &mut self,
        session: EmulatedSession,
        shared_by: Option<SharedBy>,
        now_ms: u64,
    ) {
        self.sweep(now_ms);
        if let Some(shared_by) = shared_by {
            self.current.insert(shared_by, session.token.clone());
        }
        self.by_token.insert(session.token.clone(), session);
    }

    /// The live session that logins of this kind share; the login counts as activity.
    pub(crate) fn shared(&mut self, shared_by: &SharedBy, now_ms: u64) -> Option<EmulatedSession> {
        let token = self.current.get(shared_by)?.clone();
        self.used(&token, now_ms)
    }

    /// The live session of a token, without counting as activity.
    pub(crate) fn live(&self, token: &str, now_ms: u64) -> Option<&EmulatedSession> {
        self.by_token
            .get(token)
            .filter(|session| session.ends_ms > now_ms)
    }

    /// The live session of a token; this counts as activity.
    pub(crate) fn used(&mut self, token: &str, now_ms: u64) -> Option<EmulatedSession> {
        let session = self
            .by_token
            .get_mut(token)
            .filter(|session| session.ends_ms > now_ms)?;
        session.touch(now_ms);
        Some(session.clone())
    }

    /// Ends one session; `false` if none of that token was alive.
    pub(crate) fn kill(&mut self, token: &str, now_ms: u64) -> bool {
        let removed = self.by_token.remove(token);
        removed.is_some_and(|session| session.ends_ms > now_ms)
    }

    /// Ends all sessions of an org and says how many were alive.
    pub(crate) fn kill_all(&mut self, org_id: &str, now_ms: u64) -> usize {
        let alive = self
            .all_live(now_ms)
            .filter(|session| session.org_id == org_id)
            .count();
        self.by_token.retain(|_, session| session.org_id != org_id);
        alive
    }

    /// The live sessions, the oldest first.
    pub(crate) fn list(&self, org_id: Option<&str>, now_ms: u64) -> Vec<&EmulatedSession> {
        let wanted =
            |session: &&EmulatedSession| org_id.is_none_or(|org_id| session.org_id == org_id);
        let mut sessions: Vec<_> = self.all_live(now_ms).filter(wanted).collect();
        sessions.sort_by(|a, b| (a.starts_ms, &a.token).cmp(&(b.starts_ms, &b.token)));
        sessions
    }

    pub(crate) fn count_live(&self, now_ms: u64) -> u64 {
        self.all_live(now_ms).count() as u64
    }

    fn all_live(&self, now_ms: u64) -> impl Iterator<Item = &EmulatedSession> {
        self.by_token
            .values()
            .filter(move |session| session.ends_ms > now_ms)
    }

    fn sweep(&mut self, now_ms: u64) {
        if self.by_token.len() < self.sweep_at.max(1024) {
            return;
        }
        self.by_token.retain(|_, session| session.ends_ms > now_ms);
        self.current
            .retain(|_, token| self.by_token.contains_key(token));
        self.sweep_at = self.by_token.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(token: &str, idle_timeout_ms: Option<u64>) -> EmulatedSession {
        EmulatedSession {
            token: token.to_owned(),
            org_id: "org".to_owned(),
            client_id: String::new(),
            app_name: String::new(),
            user_id: String::new(),
            username: String::new(),
            identity_url: String::new(),
            scopes: vec!["api".to_owned()],
            format: AccessTokenFormat::Opaque,
            starts_ms: 0,
            ends_ms: 1000,
            idle_timeout_ms,
        }
    }

    #[test]
    fn activity_moves_the_end_only_in_the_second_half() {
        let mut sessions = Sessions::default();
        sessions.add(session("t", Some(1000)), None, 0);
        assert_eq!(
            sessions.used("t", 499).map(|session| session.ends_ms),
            Some(1000)
        );
        assert_eq!(
            sessions.used("t", 500).map(|session| session.ends_ms),
            Some(1500)
        );
        assert_eq!(
            sessions.used("t", 999).map(|session| session.ends_ms),
            Some(1500)
        );
        assert_eq!(
            sessions.used("t", 1499).map(|session| session.ends_ms),
            Some(2499)
        );
        assert!(sessions.used("t", 2499).is_none());
    }

    #[test]
    fn an_absolute_end_stays() {
        let mut sessions = Sessions::default();
        sessions.add(session("t", None), None, 0);
        assert_eq!(
            sessions.used("t", 999).map(|session| session.ends_ms),
            Some(1000)
        );
        assert!(sessions.live("t", 1000).is_none());
    }

    #[test]
    fn killed_sessions_are_gone_and_the_dead_are_swept() {
        let mut sessions = Sessions::default();
        for number in 0..1024 {
            sessions.add(session(&number.to_string(), None), None, 0);
        }
        assert!(sessions.kill("0", 0));
        assert!(!sessions.kill("0", 0));
        assert_eq!(sessions.kill_all("org", 0), 1023);
        assert_eq!(sessions.kill_all("org", 0), 0);

        for number in 0..1024 {
            sessions.add(session(&number.to_string(), None), None, 0);
        }
        sessions.add(session("later", None), None, 2000);
        assert_eq!(sessions.by_token.len(), 1);
    }
}

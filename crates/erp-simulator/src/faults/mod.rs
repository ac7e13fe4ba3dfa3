//! Switchable faults. Each rule says what goes wrong, for which requests, and how often; each firing is counted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::answer::Answer;
use crate::refusal::Refusal;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// 429; with `retryAfter` the header says how long.
    Throttle,
    /// 503.
    Unavailable,
    /// 504 from the gateway; `when` says whether the work was done.
    GatewayTimeout,
    /// The connection ends without an answer; `when` as above.
    LostAnswer,
    /// The answer comes after `delay`; `when` = `before`: the work is done after the wait.
    SlowAnswer,
    /// The token has expired: 401.
    TokenExpired,
    /// The token endpoint refuses the client.
    TokenRefused,
    /// The application lacks a permission for the page: refused with BC's words for it.
    PermissionMissing,
    /// The API services of the server are switched off: 405.
    ApiOff,
    /// The write keeps its stamps of now and commits `delay` later.
    LateCommit,
    /// The write is seen by dirty readers for `delay` and then rolled back.
    DirtyRead,
    /// A stale etag is answered 412 instead of 409.
    StaleEtag412,
    WebhookLoss,
    WebhookDouble,
    /// The notice comes `delay` later, so that later ones overtake it.
    WebhookDelay,
    /// One `collection` notification instead of the single ones.
    WebhookCollection,
    /// The subscription expires now.
    WebhookExpiry,
    /// The subscription disappears, as after a refusal or a copy of the environment.
    WebhookDelete,
}

/// When the work of a request whose answer goes astray is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Never: the request was lost on its way.
    Before,
    /// It is done when the client learns nothing.
    #[default]
    After,
    /// It is done `delay` after the client learnt nothing.
    Later,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    pub kind: Kind,
    /// Only requests with this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only requests whose path, or webhooks whose resource, contains this; for office acts `_office/ship`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How often it fires; 0 = until it is removed.
    #[serde(default = "once")]
    pub times: u64,
    /// Matching requests that pass first.
    #[serde(default)]
    pub skip: u64,
    #[serde(default, with = "humantime_serde")]
    pub delay: Duration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    #[serde(default)]
    pub when: When,
}

fn once() -> u64 {
    1
}

impl Rule {
    /// One firing on any request.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            method: None,
            path: None,
            client: None,
            times: 1,
            skip: 0,
            delay: Duration::ZERO,
            retry_after: None,
            when: When::After,
        }
    }

    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// 0 = until it is removed.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub fn when(mut self, when: When) -> Self {
        self.when = when;
        self
    }

    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn matches(&self, on: &Occasion<'_>) -> bool {
        self.method
            .as_deref()
            .is_none_or(|method| method.eq_ignore_ascii_case(on.method))
            && self
                .path
                .as_deref()
                .is_none_or(|path| on.path.contains(path))
            && self
                .client
                .as_deref()
                .is_none_or(|client| client == on.client)
    }
}

/// What a rule is matched against.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub client: &'a str,
}

/// A transaction that is to stay open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hold {
    pub delay: Duration,
    pub roll_back: bool,
    /// The caller is not kept waiting, as when a person's posting runs in the background.
    pub answer_at_once: bool,
}

#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    rules: BTreeMap<u64, Active>,
    fired: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Active {
    rule: Rule,
    passed: u64,
    fired: u64,
}

impl Faults {
    pub fn add(&self, rule: Rule) -> u64 {
        let mut state = self.state();
        state.last += 1;
        let id = state.last;
        state.rules.insert(
            id,
            Active {
                rule,
                passed: 0,
                fired: 0,
            },
        );
        id
    }

    pub fn clear(&self) {
        self.state().rules.clear();
    }

    pub fn fired(&self, kind: &str) -> u64 {
        self.state().fired.get(kind).copied().unwrap_or_default()
    }

    /// Counts something that happened without a rule, such as a read of uncommitted rows.
    pub fn count(&self, kind: &str) {
        *self.state().fired.entry(kind.to_owned()).or_default() += 1;
    }

    /// The first rule of one of these kinds that fires now.
    pub fn take(&self, kinds: &[Kind], on: &Occasion<'_>) -> Option<Rule> {
        let mut state = self.state();
        let mut taken = None;
        for active in state.rules.values_mut() {
            let rule = &active.rule;
            if !kinds.contains(&rule.kind)
                || !rule.matches(on)
                || (rule.times > 0 && active.fired >= rule.times)
            {
                continue;
            }
            if active.passed < rule.skip {
                active.passed += 1;
                continue;
            }
            active.fired += 1;
            taken = Some(rule.clone());
            break;
        }
        let rule = taken?;
        *state.fired.entry(name(rule.kind)).or_default() += 1;
        Some(rule)
    }

    /// Whether and how the transaction of this request is to be held open.
    pub fn hold(&self, on: &Occasion<'_>) -> Option<Hold> {
        let rule = self.take(&[Kind::LateCommit, Kind::DirtyRead], on)?;
        Some(Hold {
            delay: rule.delay,
            roll_back: rule.kind == Kind::DirtyRead,
            answer_at_once: on.path.starts_with("/_office"),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }

    fn list(&self) -> Value {
        let state = self.state();
        let rules: Vec<Value> = state
            .rules
            .iter()
            .map(|(id, active)| {
                let mut rule = serde_json::to_value(&active.rule).unwrap_or_default();
                rule["id"] = json!(id);
                rule["fired"] = json!(active.fired);
                rule
            })
            .collect();
        json!({ "rules": rules, "fired": state.fired })
    }
}

/// As in JSON.
pub fn name(kind: Kind) -> String {
    serde_json::to_value(kind)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// `/_faults`: GET lists, POST adds, DELETE removes all or one.
pub fn serve(faults: &Faults, method: &str, rest: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let rest = rest.trim_matches('/');
    match method {
        "GET" => Ok(Answer::json(200, &faults.list())),
        "POST" => {
            let rule = serde_json::from_slice(body)
                .map_err(|error| Refusal::bad_request(format!("not a fault: {error}")))?;
            Ok(Answer::json(201, &json!({ "id": faults.add(rule) })))
        }
        "DELETE" if rest.is_empty() => {
            faults.clear();
            Ok(Answer::empty(204))
        }
        "DELETE" => {
            let id: u64 = rest.parse().map_err(|_| Refusal::not_found("fault"))?;
            faults
                .state()
                .rules
                .remove(&id)
                .ok_or_else(|| Refusal::not_found("fault"))?;
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::method_not_allowed("_faults")),
    }
}

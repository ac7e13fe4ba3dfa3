//! What a ring tells, and the placeholders that stand for it.

use jiff::Timestamp;

/// One ring. Its texts may be anything; each template escapes them for its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `webhook-id`: the same at every try.
    pub id: String,
    pub channel: String,
    pub doorbell: String,
    /// Full Protobuf name of the change.
    pub event_type: String,
    /// Its topic, e.g. `items`.
    pub kind: String,
    pub key: String,
    pub event_id: String,
    /// In the channel's feed.
    pub position: u64,
    /// A pull of the feed after it begins with the (first) change of this ring.
    pub token: String,
    pub occurred_at: Timestamp,
    pub deleted: bool,
    /// Changes that this ring stands for.
    pub count: u64,
    /// The change itself as JSON; `None` where only "fetch this" is told.
    pub payload: Option<String>,
}

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Id,
    Channel,
    Doorbell,
    Type,
    Kind,
    Key,
    EventId,
    Position,
    Token,
    OccurredAt,
    Deleted,
    Count,
    Payload,
}

impl Field {
    pub const ALL: [(&str, Self); 13] = [
        ("id", Self::Id),
        ("channel", Self::Channel),
        ("doorbell", Self::Doorbell),
        ("type", Self::Type),
        ("kind", Self::Kind),
        ("key", Self::Key),
        ("event_id", Self::EventId),
        ("position", Self::Position),
        ("token", Self::Token),
        ("occurred_at", Self::OccurredAt),
        ("deleted", Self::Deleted),
        ("count", Self::Count),
        ("payload", Self::Payload),
    ];

    pub fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, field)| *field)
    }

    /// Whether its text is a whole JSON value by itself, without quotes.
    pub fn is_json(self) -> bool {
        match self {
            Self::Position | Self::Deleted | Self::Count | Self::Payload => true,
            Self::Id
            | Self::Channel
            | Self::Doorbell
            | Self::Type
            | Self::Kind
            | Self::Key
            | Self::EventId
            | Self::Token
            | Self::OccurredAt => false,
        }
    }

    pub fn of(self, message: &Message) -> String {
        match self {
            Self::Id => message.id.clone(),
            Self::Channel => message.channel.clone(),
            Self::Doorbell => message.doorbell.clone(),
            Self::Type => message.event_type.clone(),
            Self::Kind => message.kind.clone(),
            Self::Key => message.key.clone(),
            Self::EventId => message.event_id.clone(),
            Self::Position => message.position.to_string(),
            Self::Token => message.token.clone(),
            Self::OccurredAt => message.occurred_at.to_string(),
            Self::Deleted => message.deleted.to_string(),
            Self::Count => message.count.to_string(),
            Self::Payload => message.payload.clone().unwrap_or_else(|| "null".to_owned()),
        }
    }
}

impl Message {
    /// One whose texts are as bad as they can be, to try templates with.
    pub(crate) fn awkward() -> Self {
        let awkward = "\"'<>&/\\ {{key}} \n ü".to_owned();
        Self {
            id: "msg_0".to_owned(),
            channel: awkward.clone(),
            doorbell: awkward.clone(),
            event_type: awkward.clone(),
            kind: awkward.clone(),
            key: awkward.clone(),
            event_id: awkward.clone(),
            position: 1,
            token: awkward,
            occurred_at: Timestamp::UNIX_EPOCH,
            deleted: false,
            count: 1,
            payload: Some(r#"{"name":"ü"}"#.to_owned()),
        }
    }
}

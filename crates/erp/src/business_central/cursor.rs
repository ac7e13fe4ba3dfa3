//! Where a reader stands, written down so that a cursor of another place is noticed: another environment, another
//! company, another incarnation of the row versions, another level.

use millrace_values::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Cursor, ErpError};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    #[serde(rename = "v")]
    pub format: u8,
    /// The companion's id of the environment; on a standard tenant its name, which is all there is.
    pub environment: String,
    pub company: Uuid,
    /// Incarnation of the row versions; none on a standard tenant.
    pub epoch: Option<Uuid>,
    pub at: At,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum At {
    /// In a full read of the companion that began at `boundary`; `next` is BC's link to the next page, none to begin.
    Full { boundary: i64, next: Option<String> },
    /// Following the companion's queue.
    Queue { after: i64 },
    /// In a full read of a standard tenant that began when BC's clock showed `began`; none of its pages was read yet when
    /// there is no `next`.
    Sweep {
        began: Timestamp,
        reader: u64,
        step: u64,
        next: Option<String>,
    },
    /// Polling a standard tenant: everything modified before `since`, less the overlap, was seen.
    Poll(Poll),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Poll {
    pub since: Timestamp,
    /// When the last full read began.
    pub swept: Timestamp,
    /// Whose memory of recent rows this is, and up to which step of it the reader has kept what it was told.
    pub reader: u64,
    pub step: u64,
    /// In the middle of a poll.
    pub under_way: Option<UnderWay>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnderWay {
    pub began: Timestamp,
    /// Which of the flow's pages is being read.
    pub source: u8,
    pub next: Option<String>,
}

const FORMAT: u8 = 1;

impl Place {
    pub fn new(environment: String, company: Uuid, epoch: Option<Uuid>, at: At) -> Self {
        Self {
            format: FORMAT,
            environment,
            company,
            epoch,
            at,
        }
    }

    pub fn read(cursor: &Cursor) -> Result<Self, ErpError> {
        serde_json::from_str::<Self>(&cursor.0)
            .ok()
            .filter(|place| place.format == FORMAT)
            .ok_or_else(|| resync("the cursor was not made by this adapter"))
    }

    pub fn at(&self, at: At) -> Self {
        Self { at, ..self.clone() }
    }

    pub fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).expect("a place has only texts and numbers"))
    }
}

pub(crate) fn resync(reason: &str) -> ErpError {
    ErpError::ResyncNeeded {
        reason: reason.into(),
    }
}

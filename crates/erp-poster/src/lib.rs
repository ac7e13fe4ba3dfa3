//! Hands documents to the ERP: which of them somebody has to look at ([`Work`]), one look at a time over all processes, several at
//! once in each ([`Poster`]), held back while the ERP is away, and woken when what a held one waits for has arrived. What a look means
//! is the service's business ([`Attempt`]).
//!
//! Owns no table. A service that uses it has, in its own migrations and under the names it gives ([`Tables`]):
//!
//! * rows of its documents: `stream`, `channel`, `state`, among others;
//! * waits: `subject`, `stream` (what held documents wait for);
//! * work: `stream`, `channel`, `asked`, `due_at`, `claimed_by`, `claimed_until`, `attempts`, `trouble`;
//! * `arrivals`: `id`, `subjects`.
//!
//! What is to be asked of the ERP now and then, rather than handed over, is an errand ([`Errands`]); its table has `stream`, `asked`,
//! `due_at`, `attempts`.

mod arrivals;
mod errands;
mod gate;
mod looks;
mod poster;
mod work;

pub use arrivals::arrived;
pub use errands::{Errand, Errands};
pub use poster::{Attempt, Look, LookError, Poster, Settings, Words};
pub use work::{Claim, Tables, Work};

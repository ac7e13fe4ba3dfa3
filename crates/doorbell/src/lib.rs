//! How a doorbell is rung: a request made from templates, signed after Standard Webhooks, to an address that was checked, with an
//! answer that is hardly looked at. What is rung, when, and what becomes of it is shop-delivery's business.
//!
//! Shops name the address, so it is not trusted: only addresses of the public internet are connected to, unless the settings allow
//! one by name; what was checked is what is connected to, whatever the name resolves to a moment later; redirects are not followed,
//! proxies are not asked, and an answer may be slow or endless without costing more than its time.

mod address;
mod endpoint;
mod message;
mod names;
mod signature;
mod template;

pub use address::{Block, BlockError, is_public};
pub use endpoint::{Answer, Endpoint, EndpointError, Wishes};
pub use message::Message;
pub use names::{Names, SystemNames};
pub use signature::{SecretError, SigningKey, signatures};
pub use template::{Template, TemplateError};

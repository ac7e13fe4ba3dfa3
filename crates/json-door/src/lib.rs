//! JSON over HTTP for shops without gRPC: every call of the contract at the path it has in gRPC, `POST
//! /millrace.order.v1.OrderService/SubmitOrder`, with its message as JSON; described by `GET /openapi.json`.
//!
//! A request is translated and handed to the gRPC server's own door: tokens, scopes, limits, counts, traces and refusals are
//! those of gRPC because they are the same ones. Translation is by reflection over the descriptors, so that a new call is
//! here without a line of code. Deliberately absent: routes and checks of its own.

mod answer;
mod catalogue;
mod deadline;
mod door;
mod in_hand;
mod json;
mod media;
mod openapi;
mod problem;
mod raw;
mod request;
mod serve;
mod shape;
mod translation;

pub use catalogue::Catalogue;
pub use door::JsonDoor;
pub use json::{Wrong, read};
pub use openapi::document;
pub use serve::serve;

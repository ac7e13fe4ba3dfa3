//! `returns.v1.ReturnService` and `returns.v1.ReturnAdminService`.

mod admin_service;
mod desk;
mod refusal;
mod return_service;
mod submit;

pub use admin_service::ReturnAdminApi;
pub use desk::Desk;
pub use return_service::ReturnApi;

const SUBMIT: &str = "return:submit";
const READ: &str = "return:read";
const RECEIVE: &str = "return:receive";
const PERSONAL: &str = "return:personal";
const ADMIN: &str = "return:admin";

/// How often a command is decided anew because somebody else was quicker.
const TRIES: usize = 8;

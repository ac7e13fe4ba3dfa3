//! The rules, said as given, when, then.

mod amounts;
mod chairs;
mod erp;
mod here;
mod life;
mod rules;
mod there;
mod together;

//! The simulator over real HTTP: what it promises to those who test their integrations with it.

mod companion;
mod rig;
